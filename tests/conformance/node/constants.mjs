// The fixed test values of Stytch's test environment.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { client, mails, ok, refused } from "./support.mjs";

const { magicLinks, sessions } = client;
const email = "sandbox@stytch.com";
const user_id = "user-test-e3795c81-f849-4167-bfda-e4a6e9c280fd";
const token = "DOYoip3rvIMMW5lgItikFK-Ak1CfMsgjuiCyI7uuU94=";
const session_token = "WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY";
const session_id = "session-test-eb94233f-8800-4ebd-8645-51dc15f9d028";

describe("Stytch's test values", () => {
  for (const call of ["send", "loginOrCreate", "invite", "invite", "revokeInvite"]) {
    test(`${call} to the test address sends no mail`, async () => {
      const answer = ok(await magicLinks.email[call]({ email }));
      if (call !== "revokeInvite") assert.equal(answer.user_id, user_id);
      assert.deepEqual(await mails(email), []);
    });
  }

  test("the valid token works repeatedly", async () => {
    for (let time = 0; time < 2; time++) {
      const answer = ok(await magicLinks.authenticate({ token }));
      assert.equal(answer.user_id, user_id);
      assert.equal(answer.user.emails[0].email, email);
      assert.deepEqual([answer.session, answer.session_token], [null, ""]);
    }
    const answer = ok(await magicLinks.authenticate({ token, session_duration_minutes: 60 }));
    const [factor] = answer.session.authentication_factors;
    assert.equal(factor.email_factor.email_address, email);
    assert.equal(answer.session_token, session_token);
  });

  test("the used token is refused", () =>
    refused(
      magicLinks.authenticate({ token: "3pzjQpgksDlGKWEwUq2Up--hCHC_0oamfLHyfspKDFU=" }),
      401,
      "unable_to_auth_magic_link",
    ));

  test("the unknown token is not found", () =>
    refused(
      magicLinks.authenticate({ token: "CprTtwhnRNiMBiUS2jSLcWYrfuO2POeBNdo5HhW6qTM=" }),
      404,
      "magic_link_not_found",
    ));

  test("the valid session stays active", async () => {
    const first = ok(await sessions.authenticate({ session_token }));
    assert.equal(first.session_token, session_token);
    assert.equal(first.session.session_id, session_id);
    assert.match(first.session.started_at, /^2021-08-28T00:41:58(\.\d+)?Z$/);
    assert.equal(first.user.user_id, user_id);
    const { session_jwt } = first;
    ok(await sessions.authenticate({ session_jwt, session_duration_minutes: 30 }));
    ok(await sessions.revoke({ session_id }));
    ok(await sessions.authenticate({ session_token }));
  });

  test("the other session is not found", () =>
    refused(
      sessions.authenticate({ session_token: "59cnLELtq5cFVS6uYK9f-pAWzBkhqZl8AvLhbhOvKNWw" }),
      404,
      "session_not_found",
    ));

  test("the test user is not stored", async () => {
    await refused(sessions.get({ user_id }), 404, "user_not_found");
    await refused(client.users.get({ user_id }), 404, "user_not_found");
  });
});
