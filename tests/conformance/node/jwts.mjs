// Local verification of JWTs by the SDK, with the machine's clock. An older JWT is created by setting
// the sandbox's clock back.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import {
  ClientError, client, entered, faulty, makeClient, ok, projectId, refused, resetClock, rotateKeys,
  shifted,
} from "./support.mjs";

const { sessions } = client;

/** The SDK itself refuses, by this code. */
async function refusedHere(call, code) {
  const error = await call.then(() => assert.fail(`${code} was expected`), (error) => error);
  assert.ok(error instanceof ClientError, `${error.constructor.name}: ${error.message}`);
  assert.equal(error.code, code);
}

const down = { down: true, path: "/v1/sessions/authenticate" };
const payload = (jwt) => JSON.parse(Buffer.from(jwt.split(".")[1], "base64url"));
const header = (jwt) => JSON.parse(Buffer.from(jwt.split(".")[0], "base64url"));

describe("a session's JWT", () => {
  before(resetClock);

  test("has Stytch's claims", async () => {
    const answer = await entered({ session_custom_claims: { plan: "pro" } });
    const { alg, typ, kid } = header(answer.session_jwt);
    assert.deepEqual([alg, typ], ["RS256", "JWT"]);
    const { keys } = await sessions.getJWKS({ project_id: projectId });
    assert.ok(keys.some((key) => key.kid === kid));
    const { exp, iat, nbf, "https://stytch.com/session": session, ...claims } =
      payload(answer.session_jwt);
    assert.deepEqual(claims, {
      aud: [projectId],
      iss: `stytch.com/${projectId}`,
      sub: answer.user_id,
      plan: "pro",
    });
    assert.deepEqual([exp - iat, nbf], [300, iat]);
    assert.equal(session.id, answer.session.session_id);
    const same = ["started_at", "last_accessed_at", "expires_at", "attributes", "roles"];
    for (const name of same) assert.deepEqual(session[name], answer.session[name], name);
    assert.equal(session.authentication_factors[0].type, "magic_link");
  });

  test("verifies locally, and contains the session", async () => {
    const answer = await entered({ session_custom_claims: { plan: { seats: 3 } } });
    const { session_jwt } = answer;
    const { expires_at, ...session } = await sessions.authenticateJwtLocal({ session_jwt });
    const { expires_at: end, ...expected } = answer.session;
    assert.deepEqual(session, expected);
    assert.equal(Date.parse(expires_at), Date.parse(end));
  });

  test("verifies without a call", async () => {
    const { session_jwt, session } = await entered();
    await sessions.authenticateJwtLocal({ session_jwt }); // has the keys now
    await faulty({ down: true }, async () => {
      const answer = await sessions.authenticateJwt({ session_jwt });
      assert.equal(answer.session_jwt, session_jwt);
      assert.equal(answer.session.session_id, session.session_id);
    });
  });

  test("that is forged is refused", async () => {
    const { session_jwt } = await entered();
    const [head, body, signature] = session_jwt.split(".");
    const other = Buffer.from(JSON.stringify({ ...payload(session_jwt), sub: "me" }));
    const forged = `${head}.${other.toString("base64url")}.${signature}`;
    for (const jwt of [forged, "not.a.jwt", "", `${head}.${body}.`]) {
      await refusedHere(sessions.authenticateJwtLocal({ session_jwt: jwt }), "jwt_invalid");
    }
    const remote = sessions.authenticateJwt({ session_jwt: forged });
    await refused(remote, 400, "unable_to_parse_session_jwt");
  });

  test("that has expired is refused locally and refreshed remotely", async () => {
    const old = await shifted(-400, () => entered());
    const { session_jwt } = old;
    await refusedHere(sessions.authenticateJwtLocal({ session_jwt }), "jwt_invalid");
    const tolerant = { session_jwt, clock_tolerance_seconds: 500 };
    assert.equal((await sessions.authenticateJwtLocal(tolerant)).user_id, old.user_id);
    const fresh = ok(await sessions.authenticateJwt({ session_jwt }));
    assert.notEqual(fresh.session_jwt, session_jwt);
    assert.equal(fresh.session.session_id, old.session.session_id);
    await sessions.authenticateJwtLocal({ session_jwt: fresh.session_jwt });
  });

  test("from a fast clock is refused locally", async () => {
    const { session_jwt } = await shifted(120, () => entered());
    await refusedHere(sessions.authenticateJwtLocal({ session_jwt }), "jwt_invalid");
    const tolerant = { session_jwt, clock_tolerance_seconds: 130 };
    await sessions.authenticateJwtLocal(tolerant);
  });

  test("that is older than allowed is refused locally and refreshed remotely", async () => {
    const { session_jwt } = await shifted(-100, () => entered());
    const local = (max_token_age_seconds) =>
      sessions.authenticateJwtLocal({ session_jwt, max_token_age_seconds });
    await local(200);
    await refusedHere(local(60), "jwt_too_old");
    await refusedHere(local(0), "jwt_too_old");
    const young = await sessions.authenticateJwt({ session_jwt, max_token_age_seconds: 200 });
    assert.equal(young.session_jwt, session_jwt);
    for (const max_token_age_seconds of [60, 0]) {
      const fresh = await sessions.authenticateJwt({ session_jwt, max_token_age_seconds });
      assert.notEqual(fresh.session_jwt, session_jwt);
    }
  });

  test("has new claims after a refresh", async () => {
    const { session_jwt } = await entered();
    const fresh = await sessions.authenticateJwt({
      session_jwt,
      max_token_age_seconds: 0,
      session_custom_claims: { plan: "pro" },
      session_duration_minutes: 600,
    });
    const local = await sessions.authenticateJwtLocal({ session_jwt: fresh.session_jwt });
    assert.deepEqual(local.custom_claims, { plan: "pro" });
    assert.equal(Date.parse(local.expires_at), Date.parse(fresh.session.expires_at));
  });

  test("of a session that is revoked verifies locally only", async () => {
    const { session_jwt, session_token } = await entered();
    await sessions.revoke({ session_token });
    await sessions.authenticateJwtLocal({ session_jwt });
    const remote = sessions.authenticateJwt({ session_jwt, max_token_age_seconds: 0 });
    await refused(remote, 404, "session_not_found");
  });

  test("of a user who is deleted verifies locally only", async () => {
    const { session_jwt, session_token, user_id } = await entered();
    await client.users.delete({ user_id });
    await sessions.authenticateJwtLocal({ session_jwt });
    await refused(sessions.authenticate({ session_jwt }), 404, "session_not_found");
    await refused(sessions.authenticate({ session_token }), 404, "session_not_found");
  });

  test("of either key verifies after a rotation", async () => {
    const before = await entered();
    await rotateKeys();
    const after = await entered();
    assert.notEqual(header(before.session_jwt).kid, header(after.session_jwt).kid);
    const fresh = makeClient();
    for (const { session_jwt, session } of [before, after]) {
      const local = await fresh.sessions.authenticateJwtLocal({ session_jwt });
      assert.equal(local.session_id, session.session_id);
      ok(await fresh.sessions.authenticate({ session_jwt }));
    }
    // The client has cached keys, so the sandbox verifies this JWT.
    const { session_jwt } = after;
    const answer = await sessions.authenticateJwt({ session_jwt });
    assert.equal(answer.session.session_id, after.session.session_id);
  });

  test("does not verify without an available key", async () => {
    const { session_jwt } = await entered();
    const fresh = makeClient();
    await faulty({ down: true, path: "/v1/sessions/jwks" }, async () => {
      await refusedHere(fresh.sessions.authenticateJwtLocal({ session_jwt }), "jwt_invalid");
      ok(await fresh.sessions.authenticateJwt({ session_jwt }));
    });
    await faulty(down, () => fresh.sessions.authenticateJwt({ session_jwt }));
  });
});
