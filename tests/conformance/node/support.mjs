// The SDK, the sandbox's control API, and shared assertions.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";

const { GUESTLIST_TEST_STYTCH_NODE, STYTCH_URL, STYTCH_STRICT_URL, STYTCH_PROJECT_ID, STYTCH_SECRET } =
  process.env;
for (const given of [GUESTLIST_TEST_STYTCH_NODE, STYTCH_URL, STYTCH_STRICT_URL]) assert.ok(given);

const require = createRequire(path.join(path.resolve(GUESTLIST_TEST_STYTCH_NODE), "suite.js"));
const stytch = require("stytch");

export const { StytchError, RequestError, ClientError } = stytch;
export const projectId = STYTCH_PROJECT_ID;
export const redirect = "http://localhost:3000/authenticate";

console.warn = () => {}; // the SDK warns about URLs other than Stytch's

/** Returns a new client, without cached keys. */
export function makeClient({ url = STYTCH_URL, project_id = projectId, secret = STYTCH_SECRET } = {}) {
  return new stytch.Client({ project_id, secret, env: `${url}/` });
}

export const client = makeClient();
/** A client of a sandbox with registered redirect URLs. */
export const strict = makeClient({ url: STYTCH_STRICT_URL });
/** A client with a wrong secret. */
export const invalidClient = makeClient({ secret: "secret-test-of-somebody-else=" });

let made = 0;
/** Returns a unique address. */
export const address = (name = "ada") => `${name}-${++made}@example.com`;

async function control(method, route, body, base = STYTCH_URL) {
  const headers = body && { "content-type": "application/json" };
  const response = await fetch(base + route, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text);
}

export const advance = (seconds) => control("PUT", "/sandbox/clock", { advance_seconds: seconds });
export const rotateKeys = () => control("POST", "/sandbox/jwks/rotate");

/** Sets the sandbox's clock to the machine's. */
export async function resetClock() {
  await advance(-(await control("GET", "/sandbox/clock")).offset_seconds);
}

/** Runs a function while the sandbox's clock is shifted. */
export async function shifted(seconds, work) {
  await advance(seconds);
  try {
    return await work();
  } finally {
    await advance(-seconds);
  }
}

/** Runs a function while the sandbox has a fault. */
export async function faulty(fault, work) {
  await control("PUT", "/sandbox/faults", fault);
  try {
    return await work();
  } finally {
    await control("PUT", "/sandbox/faults", {});
  }
}

/** Returns all mail to an address, oldest first. */
export const mails = (to, base) =>
  control("GET", `/sandbox/emails?to=${encodeURIComponent(to)}`, undefined, base);

/** Returns the token of the latest mail to an address. */
export async function token(to, base) {
  const mail = (await mails(to, base)).at(-1);
  assert.ok(mail, `there is mail to ${to}`);
  return mail.token;
}

/** Authenticates a link of an address, and returns the SDK's response. */
export async function entered({ email = address(), minutes = 60, ...more } = {}) {
  await client.magicLinks.email.loginOrCreate({ email });
  return client.magicLinks.authenticate({
    token: await token(email),
    session_duration_minutes: minutes,
    ...more,
  });
}

/** Asserts that the SDK throws an error with every member of Stytch's error envelope. */
export async function refused(call, status, type) {
  const error = await call.then(
    (response) => assert.fail(`${status} ${type} was expected, not ${JSON.stringify(response)}`),
    (error) => error,
  );
  if (error instanceof assert.AssertionError) throw error;
  assert.ok(error instanceof StytchError, `${error.constructor.name}: ${error.message}`);
  assert.deepEqual([error.status_code, error.error_type], [status, type]);
  assert.match(error.request_id, /^request-id-test-[0-9a-f-]{36}$/);
  assert.equal(typeof error.error_message, "string");
  assert.notEqual(error.error_message, "");
  assert.equal(error.error_url, `https://stytch.com/docs/api/errors/${status}#${type}`);
  return error;
}

/** Asserts that a call succeeded. */
export function ok(response) {
  assert.equal(response.status_code, 200);
  assert.match(response.request_id, /^request-id-test-[0-9a-f-]{36}$/);
  return response;
}

export const seconds = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;
export const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
export const unknownUser = "user-test-00000000-0000-4000-8000-000000000000";
