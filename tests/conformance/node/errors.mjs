// Errors of every call: credentials, routes, and injected faults.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  RequestError, address, client, faulty, mails, makeClient, ok, projectId, refused, invalidClient,
  token,
} from "./support.mjs";

const otherProject = "project-test-00000000-0000-4000-8000-00000000ffff";
/** Every call that needs credentials, by whoever makes it. */
const calls = {
  invite: (by) => by.magicLinks.email.invite({ email: address() }),
  revoke_invite: (by) => by.magicLinks.email.revokeInvite({ email: address() }),
  login_or_create: (by) => by.magicLinks.email.loginOrCreate({ email: address() }),
  send: (by) => by.magicLinks.email.send({ email: address() }),
  "magic_links.authenticate": (by) => by.magicLinks.authenticate({ token: "A".repeat(44) }),
  "sessions.get": (by) => by.sessions.get({ user_id: "x" }),
  "sessions.authenticate": (by) => by.sessions.authenticate({ session_token: "A".repeat(44) }),
  "sessions.revoke": (by) => by.sessions.revoke({ session_token: "A".repeat(44) }),
  "users.create": (by) => by.users.create({ email: address() }),
  "users.get": (by) => by.users.get({ user_id: "x" }),
  "users.search": (by) => by.users.search({}),
  "users.update": (by) => by.users.update({ user_id: "x" }),
  "users.delete": (by) => by.users.delete({ user_id: "x" }),
  "users.delete_email": (by) => by.users.deleteEmail({ email_id: "x" }),
  "users.delete_external_id": (by) => by.users.deleteExternalId({ user_id: "x" }),
  "debug.whoami": (by) => by.debug.whoami(),
};

describe("credentials", () => {
  test("that are valid return the project", async () => {
    assert.equal(ok(await client.debug.whoami()).project_id, projectId);
  });

  for (const [name, call] of Object.entries(calls)) {
    test(`that are invalid are refused by ${name}`, async () => {
      await refused(call(invalidClient), 401, "unauthorized_credentials");
      const other = makeClient({ project_id: otherProject });
      await refused(call(other), 401, "unauthorized_credentials");
      const malformed = makeClient({ project_id: "my-project" });
      await refused(call(malformed), 400, "invalid_project_id_authentication");
    });
  }
});

describe("an unsupported call", () => {
  test("is route not found", async () => {
    await refused(client.otps.email.send({ email: address() }), 404, "route_not_found");
    await refused(client.passwords.create({ email: address(), password: "x" }), 404, "route_not_found");
  });
});

describe("a fault", () => {
  for (const [name, call] of Object.entries(calls)) {
    test(`is decoded for ${name}`, async () => {
      for (const [status, type] of [
        [429, "too_many_requests"],
        [500, "internal_server_error"],
        [502, "internal_server_error"],
        [503, "server_unavailable"],
      ]) {
        await faulty({ status }, () => refused(call(client), status, type));
      }
    });
  }

  test("has the given message", () =>
    faulty({ status: 403, error_type: "email_in_denylist", retry_after_seconds: 1 }, () =>
      refused(calls.invite(client), 403, "email_in_denylist")));

  test("expires, and has no effect", async () => {
    const email = address();
    await faulty({ status: 500, times: 2, path: "/v1/magic_links" }, async () => {
      const invite = () => client.magicLinks.email.invite({ email });
      await refused(invite(), 500, "internal_server_error");
      await refused(invite(), 500, "internal_server_error");
      ok(await invite());
    });
    assert.equal((await mails(email)).length, 1);
  });

  test("that drops the connection is a transport error", async () => {
    const error = await faulty({ down: true }, () => calls["users.search"](client).catch((e) => e));
    assert.ok(error instanceof RequestError, String(error));
    ok(await calls["users.search"](client));
  });

  test("that loses the response has an effect", async () => {
    const email = address();
    const invite = client.magicLinks.email.invite.bind(client.magicLinks.email);
    const error = await faulty({ lose_answer: true }, () => invite({ email }).catch((e) => e));
    assert.ok(error instanceof RequestError, String(error));
    ok(await client.magicLinks.authenticate({ token: await token(email) }));
  });

  test("that delays the response only delays it", () =>
    faulty({ latency_ms: 50 }, async () => ok(await calls["users.search"](client))));
});
