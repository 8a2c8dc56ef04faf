// What the cases have in common: the SDK, the sandbox's control plane, and what a refusal must have.

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

console.warn = () => {}; // the SDK's, of a URL that is not Stytch's

/** A client of its own, which has fetched no key yet. */
export function makeClient({ url = STYTCH_URL, project_id = projectId, secret = STYTCH_SECRET } = {}) {
  return new stytch.Client({ project_id, secret, env: `${url}/` });
}

export const client = makeClient();
/** Of a sandbox that allows only the redirect URLs it was told. */
export const strict = makeClient({ url: STYTCH_STRICT_URL });
/** The same by somebody whose secret is wrong. */
export const stranger = makeClient({ secret: "secret-test-of-somebody-else=" });

let made = 0;
/** An address that no other case has. */
export const address = (name = "ada") => `${name}-${++made}@example.com`;

async function control(method, route, body, base = STYTCH_URL) {
  const headers = body && { "content-type": "application/json" };
  const answer = await fetch(base + route, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return JSON.parse(text);
}

export const advance = (seconds) => control("PUT", "/sandbox/clock", { advance_seconds: seconds });
export const rotateKeys = () => control("POST", "/sandbox/jwks/rotate");

/** The sandbox's clock is the machine's again. */
export async function resetClock() {
  await advance(-(await control("GET", "/sandbox/clock")).offset_seconds);
}

/** Does something with the sandbox's clock so much off, and sets it right again. */
export async function shifted(seconds, work) {
  await advance(seconds);
  try {
    return await work();
  } finally {
    await advance(-seconds);
  }
}

/** Does something while the sandbox has a fault. */
export async function faulty(fault, work) {
  await control("PUT", "/sandbox/faults", fault);
  try {
    return await work();
  } finally {
    await control("PUT", "/sandbox/faults", {});
  }
}

/** All mail to an address, oldest first. */
export const mails = (to, base) =>
  control("GET", `/sandbox/emails?to=${encodeURIComponent(to)}`, undefined, base);

/** The token of the last mail to an address. */
export async function token(to, base) {
  const mail = (await mails(to, base)).at(-1);
  assert.ok(mail, `there is mail to ${to}`);
  return mail.token;
}

/** Somebody who has come in by a link: the SDK's whole answer. */
export async function entered({ email = address(), minutes = 60, ...more } = {}) {
  await client.magicLinks.email.loginOrCreate({ email });
  return client.magicLinks.authenticate({
    token: await token(email),
    session_duration_minutes: minutes,
    ...more,
  });
}

/** The SDK hands on a refusal with all that Stytch's envelope tells. */
export async function refused(call, status, type) {
  const error = await call.then(
    (answer) => assert.fail(`${status} ${type} was expected, not ${JSON.stringify(answer)}`),
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

/** An answer that says yes. */
export function ok(answer) {
  assert.equal(answer.status_code, 200);
  assert.match(answer.request_id, /^request-id-test-[0-9a-f-]{36}$/);
  return answer;
}

export const seconds = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;
export const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
export const unknownUser = "user-test-00000000-0000-4000-8000-000000000000";
