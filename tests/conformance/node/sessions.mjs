// sessions: get, authenticate, revoke, get_jwks

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  address, advance, client, entered, makeClient, ok, projectId, refused, seconds, shifted, strict,
  token, unknownUser,
} from "./support.mjs";

const { sessions } = client;
const unknownToken = "B".repeat(44);
const { STYTCH_STRICT_URL } = process.env;

describe("sessions.authenticate", () => {
  test("by token or JWT returns the session, its user and a new JWT", async () => {
    const first = await entered({ minutes: 60 });
    await advance(2);
    for (const field of ["session_token", "session_jwt"]) {
      const answer = ok(await sessions.authenticate({ [field]: first[field] }));
      assert.equal(answer.session_token, first.session_token);
      assert.notEqual(answer.session_jwt, first.session_jwt);
      assert.equal(answer.session.session_id, first.session.session_id);
      assert.equal(answer.session.expires_at, first.session.expires_at);
      assert.ok(answer.session.last_accessed_at > first.session.last_accessed_at);
      assert.deepEqual(answer.user, first.user);
    }
  });

  test("with a duration changes the expiry", async () => {
    const { session_token } = await entered({ minutes: 5 });
    const given = { session_token, session_duration_minutes: 527040 };
    const { session } = ok(await sessions.authenticate(given));
    assert.equal(seconds(session.last_accessed_at, session.expires_at), 527040 * 60);
    const shorter = await sessions.authenticate({ session_token, session_duration_minutes: 5 });
    assert.equal(seconds(shorter.session.last_accessed_at, shorter.session.expires_at), 300);
  });

  test("sets, merges and deletes claims", async () => {
    const { session_token } = await entered();
    const claims = async (session_custom_claims) =>
      (await sessions.authenticate({ session_token, session_custom_claims })).session.custom_claims;
    assert.deepEqual(await claims({ a: { x: 1, y: 2 }, b: 1 }), { a: { x: 1, y: 2 }, b: 1 });
    assert.deepEqual(await claims({ a: { z: 3 } }), { a: { x: 1, y: 2, z: 3 }, b: 1 });
    assert.deepEqual(await claims({ a: { x: null }, b: null }), { a: { y: 2, z: 3 } });
    assert.deepEqual(await claims(undefined), { a: { y: 2, z: 3 } });
  });

  for (const [what, claims, type] of [
    ["a reserved claim", { exp: 1 }, "reserved_claims_in_custom_claims"],
    ["large claims", { a: "x".repeat(4096) }, "custom_claims_too_large"],
  ]) {
    test(`with ${what} is refused`, async () => {
      const { session_token } = await entered();
      const call = sessions.authenticate({ session_token, session_custom_claims: claims });
      await refused(call, 400, type);
    });
  }

  test("of an expired session is refused", async () => {
    const { session_token, session_jwt, user_id } = await entered({ minutes: 5 });
    await shifted(301, async () => {
      await refused(sessions.authenticate({ session_token }), 404, "session_not_found");
      await refused(sessions.authenticate({ session_jwt }), 404, "session_not_found");
      await refused(sessions.revoke({ session_token }), 404, "session_not_found");
      assert.deepEqual(ok(await sessions.get({ user_id })).sessions, []);
    });
  });

  for (const minutes of [4, 0, 527041]) {
    test(`for ${minutes} minutes is refused`, async () => {
      const { session_token } = await entered();
      const call = sessions.authenticate({ session_token, session_duration_minutes: minutes });
      await refused(call, 400, "invalid_session_duration_minutes");
    });
  }

  test("with missing, ambiguous or invalid credentials is refused", async () => {
    const { session_token, session_jwt } = await entered();
    const [header, , signature] = session_jwt.split(".");
    const payload = Buffer.from('{"sub":"me"}').toString("base64url");
    for (const [given, status, type] of [
      [{}, 400, "no_session_arguments"],
      [{ session_token, session_jwt }, 400, "too_many_session_arguments"],
      [{ session_token: "short" }, 400, "invalid_session_token"],
      [{ session_token: unknownToken }, 404, "session_not_found"],
      [{ session_jwt: "not.a.jwt" }, 400, "unable_to_parse_session_jwt"],
      [{ session_jwt: `${header}.${payload}.${signature}` }, 400, "unable_to_parse_session_jwt"],
    ]) {
      await refused(sessions.authenticate(given), status, type);
    }
  });

  test("by the JWT of another project is refused", async () => {
    const email = address();
    await strict.magicLinks.email.loginOrCreate({ email });
    const theirs = await strict.magicLinks.authenticate({
      token: await token(email, STYTCH_STRICT_URL),
      session_duration_minutes: 5,
    });
    const { session_jwt, session_token } = theirs;
    await refused(sessions.authenticate({ session_jwt }), 400, "unable_to_parse_session_jwt");
    await refused(sessions.authenticate({ session_token }), 404, "session_not_found");
  });

  test("with an authorization check is refused without a policy", async () => {
    const { session_token } = await entered();
    const authorization_check = { resource_id: "documents", action: "read" };
    const call = sessions.authenticate({ session_token, authorization_check });
    await refused(call, 403, "session_authorization_error");
  });
});

describe("sessions.get", () => {
  test("returns active sessions", async () => {
    const first = await entered();
    const { user_id } = first;
    await advance(2);
    const second = await entered({ email: first.user.emails[0].email });
    const both = ok(await sessions.get({ user_id })).sessions;
    assert.deepEqual(
      both.map((session) => session.session_id).sort(),
      [first, second].map((answer) => answer.session.session_id).sort(),
    );
    assert.deepEqual(both.find((one) => one.session_id === second.session.session_id), second.session);
    await sessions.revoke({ session_id: first.session.session_id });
    assert.deepEqual(ok(await sessions.get({ user_id })).sessions, [second.session]);
  });

  test("returns none for a user without a login", async () => {
    const { user_id } = await client.users.create({ email: address() });
    assert.deepEqual(ok(await sessions.get({ user_id })).sessions, []);
  });

  test("of an unknown user or none is refused", async () => {
    await refused(sessions.get({ user_id: unknownUser }), 404, "user_not_found");
    await refused(sessions.get({ user_id: "" }), 400, "invalid_user_id");
  });
});

describe("sessions.revoke", () => {
  for (const [field, of] of [
    ["session_id", (answer) => answer.session.session_id],
    ["session_token", (answer) => answer.session_token],
    ["session_jwt", (answer) => answer.session_jwt],
  ]) {
    test(`by ${field} ends the session, once`, async () => {
      const answer = await entered();
      const given = { [field]: of(answer) };
      ok(await sessions.revoke(given));
      const { session_token, session_jwt } = answer;
      await refused(sessions.authenticate({ session_token }), 404, "session_not_found");
      await refused(sessions.authenticate({ session_jwt }), 404, "session_not_found");
      await refused(sessions.revoke(given), 404, "session_not_found");
    });
  }

  test("with missing, ambiguous or invalid ids is refused", async () => {
    const { session, session_token, session_jwt } = await entered();
    const { session_id } = session;
    const unknown = "session-test-00000000-0000-4000-8000-000000000000";
    for (const [given, status, type] of [
      [{}, 400, "no_session_revoke_arguments"],
      [{ session_id, session_token }, 400, "too_many_session_revoke_arguments"],
      [{ session_token, session_jwt }, 400, "too_many_session_revoke_arguments"],
      [{ session_id: "42" }, 400, "invalid_session_id"],
      [{ session_id: unknown }, 404, "session_not_found"],
      [{ session_token: "short" }, 400, "invalid_session_token"],
      [{ session_token: unknownToken }, 404, "session_not_found"],
      [{ session_jwt: "not.a.jwt" }, 400, "unable_to_parse_session_jwt"],
    ]) {
      await refused(sessions.revoke(given), status, type);
    }
    ok(await sessions.authenticate({ session_token }));
  });
});

describe("sessions.getJWKS", () => {
  test("returns keys with all nine members", async () => {
    const { keys } = ok(await sessions.getJWKS({ project_id: projectId }));
    assert.ok(keys.length > 0);
    for (const key of keys) {
      const { kty, use, key_ops, alg, e } = key;
      assert.deepEqual([kty, use, key_ops, alg, e], ["RSA", "sig", ["verify"], "RS256", "AQAB"]);
      assert.match(key.kid, /^jwk-test-/);
      assert.equal(Buffer.from(key.n, "base64url").length, 256);
      assert.equal(typeof key.x5c[0], "string");
      assert.equal(typeof key.x5tS256, "string");
    }
  });

  test("of another project is refused", async () => {
    const project_id = "project-test-00000000-0000-4000-8000-00000000ffff";
    await refused(sessions.getJWKS({ project_id }), 404, "project_not_found");
    await refused(sessions.getJWKS({ project_id: "mine" }), 400, "invalid_project_id");
  });

  test("needs no credentials", async () => {
    const invalidClient = makeClient({ secret: "secret-test-wrong" });
    ok(await invalidClient.sessions.getJWKS({ project_id: projectId }));
  });
});
