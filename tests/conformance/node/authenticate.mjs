// magic_links.authenticate

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";

import {
  address, advance, client, entered, ok, refused, seconds, shifted, token, UUID,
} from "./support.mjs";

const { magicLinks } = client;
const verifier = "a-verifier-of-forty-three-characters-or-more-0123";
const challenge = createHash("sha256").update(verifier).digest("base64url");

async function linkTo(email = address(), fields = {}) {
  await magicLinks.email.loginOrCreate({ email, ...fields });
  return token(email);
}

describe("a magic link", () => {
  test("without a duration makes no session", async () => {
    const email = address();
    const { user_id, email_id } = await magicLinks.email.invite({ email });
    const answer = ok(await magicLinks.authenticate({ token: await token(email) }));
    assert.deepEqual([answer.user_id, answer.method_id], [user_id, email_id]);
    assert.deepEqual([answer.session_token, answer.session_jwt, answer.session], ["", "", null]);
    assert.equal(answer.user.status, "active");
    assert.deepEqual(answer.user.emails, [{ email_id, email, verified: true }]);
    assert.equal(answer.reset_sessions, false);
  });

  test("with a duration makes a session", async () => {
    const email = address();
    const { session, ...answer } = ok(await entered({ email, minutes: 90 }));
    assert.equal(answer.session_token.length, 44);
    assert.match(answer.session_jwt, /^eyJ[\w-]+\.[\w-]+\.[\w-]{342}$/);
    assert.match(session.session_id, new RegExp(`^session-test-${UUID}$`));
    assert.equal(session.user_id, answer.user_id);
    assert.equal(seconds(session.started_at, session.expires_at), 90 * 60);
    assert.match(session.started_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const [factor, ...others] = session.authentication_factors;
    assert.deepEqual(others, []);
    assert.deepEqual([factor.type, factor.delivery_method], ["magic_link", "email"]);
    assert.deepEqual(factor.email_factor, { email_id: answer.method_id, email_address: email });
    assert.deepEqual(session.custom_claims, {});
    assert.deepEqual(session.attributes, { ip_address: "", user_agent: "" });
  });

  test("takes attributes and claims into the session", async () => {
    const attributes = { ip_address: "203.0.113.7", user_agent: "Firefox" };
    const claims = { plan: { seats: 3 } };
    const { session } = await entered({ attributes, session_custom_claims: claims });
    assert.deepEqual(session.attributes, attributes);
    assert.deepEqual(session.custom_claims, claims);
  });

  test("works once", async () => {
    const token = await linkTo();
    ok(await magicLinks.authenticate({ token }));
    await refused(magicLinks.authenticate({ token }), 401, "unable_to_auth_magic_link");
  });

  test("that was never sent is not found", () =>
    refused(magicLinks.authenticate({ token: "A".repeat(44) }), 404, "magic_link_not_found"));

  test("without a token is refused", () =>
    refused(magicLinks.authenticate({ token: "" }), 400, "invalid_token"));

  for (const [what, call, fields, minutes] of [
    ["invitation, an hour", "invite", {}, 60],
    ["invitation, as told", "invite", { invite_expiration_minutes: 7 }, 7],
    ["signup link, a week", "loginOrCreate", {}, 10080],
    ["signup link, as told", "loginOrCreate", { signup_expiration_minutes: 5 }, 5],
  ]) {
    test(`expires: ${what}`, async () => {
      const [early, late] = [address(), address()];
      await magicLinks.email[call]({ email: early, ...fields });
      await magicLinks.email[call]({ email: late, ...fields });
      await shifted(minutes * 60 - 30, async () =>
        ok(await magicLinks.authenticate({ token: await token(early) })));
      await shifted(minutes * 60 + 1, async () => {
        const call = magicLinks.authenticate({ token: await token(late) });
        await refused(call, 401, "unable_to_auth_magic_link");
      });
    });
  }

  for (const minutes of [4, 0, -1, 527041]) {
    test(`for a session of ${minutes} minutes is refused, and still works`, async () => {
      const token = await linkTo();
      const call = magicLinks.authenticate({ token, session_duration_minutes: minutes });
      await refused(call, 400, "invalid_session_duration_minutes");
      ok(await magicLinks.authenticate({ token, session_duration_minutes: 527040 }));
    });
  }

  for (const [what, claims, type] of [
    ["a reserved claim", { sub: "me" }, "reserved_claims_in_custom_claims"],
    ["a claim of Stytch's", { "https://stytch.com/session": {} }, "stytch_claims_in_custom_claims"],
    ["large claims", { a: "x".repeat(4096) }, "custom_claims_too_large"],
  ]) {
    test(`with ${what} is refused, and still works`, async () => {
      const token = await linkTo();
      const given = { token, session_duration_minutes: 5 };
      await refused(magicLinks.authenticate({ ...given, session_custom_claims: claims }), 400, type);
      ok(await magicLinks.authenticate(given));
    });
  }
});

describe("a magic link of a session", () => {
  for (const field of ["session_token", "session_jwt"]) {
    test(`given its ${field} extends the session`, async () => {
      const first = await entered({ session_custom_claims: { a: 1 } });
      const email = first.user.emails[0].email;
      await advance(2);
      const second = ok(
        await magicLinks.authenticate({
          token: await linkTo(email),
          [field]: first[field],
          session_duration_minutes: 600,
          session_custom_claims: { b: 2 },
        }),
      );
      assert.equal(second.session.session_id, first.session.session_id);
      assert.equal(second.session_token, first.session_token);
      assert.equal(seconds(second.session.last_accessed_at, second.session.expires_at), 36000);
      assert.equal(second.session.authentication_factors.length, 1);
      assert.deepEqual(second.session.custom_claims, { a: 1, b: 2 });
    });
  }

  test("to another address adds a factor", async () => {
    const { user_id, session_token } = await entered();
    const email = address();
    await magicLinks.email.send({ email, user_id });
    const answer = await magicLinks.authenticate({ token: await token(email), session_token });
    assert.equal(answer.session.authentication_factors.length, 2);
    assert.equal(answer.session.authentication_factors[1].email_factor.email_address, email);
  });

  test("of another user is refused, and still works", async () => {
    const { session_token } = await entered();
    const token = await linkTo();
    await refused(magicLinks.authenticate({ token, session_token }), 404, "session_not_found");
    ok(await magicLinks.authenticate({ token }));
  });

  test("given twice is refused", async () => {
    const { session_token, session_jwt } = await entered();
    const call = magicLinks.authenticate({ token: await linkTo(), session_token, session_jwt });
    await refused(call, 400, "too_many_session_arguments");
  });
});

describe("PKCE", () => {
  const start = () => linkTo(address(), { code_challenge: challenge });

  test("accepts the verifier", async () => {
    ok(await magicLinks.authenticate({ token: await start(), code_verifier: verifier }));
  });

  test("refuses another verifier, and the link still works", async () => {
    const token = await start();
    const other = magicLinks.authenticate({ token, code_verifier: `${verifier}-not` });
    await refused(other, 400, "pkce_mismatch");
    ok(await magicLinks.authenticate({ token, code_verifier: verifier }));
  });

  test("refuses a missing verifier", async () =>
    refused(magicLinks.authenticate({ token: await start() }), 400, "pkce_expected_code_verifier"));

  test("refuses a verifier where none is expected", async () => {
    const call = magicLinks.authenticate({ token: await linkTo(), code_verifier: verifier });
    await refused(call, 400, "pkce_did_not_expect_code_verifier");
  });

  test("is supported by send", async () => {
    const email = address();
    await client.users.create({ email });
    await magicLinks.email.send({ email, code_challenge: challenge });
    ok(await magicLinks.authenticate({ token: await token(email), code_verifier: verifier }));
  });
});

describe("attributes that must match", () => {
  const attributes = { ip_address: "203.0.113.7", user_agent: "Firefox" };
  for (const [option, other] of [
    ["ip_match_required", { ...attributes, ip_address: "203.0.113.8" }],
    ["user_agent_match_required", { ...attributes, user_agent: "curl" }],
  ]) {
    test(`by ${option}`, async () => {
      const token = await linkTo(address(), { attributes });
      const options = { [option]: true };
      const mismatch = magicLinks.authenticate({ token, options, attributes: other });
      await refused(mismatch, 401, "attribute_mismatch");
      ok(await magicLinks.authenticate({ token, options, attributes }));
    });
  }
});
