// users.exchangePrimaryFactor

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  address, client, entered, ok, refused, invalidClient, unknownUser,
} from "./support.mjs";

const { users } = client;

describe("users.exchangePrimaryFactor", () => {
  test("gives a user another address, and frees the first", async () => {
    const email = address();
    const { user_id, email_id } = await users.create({ email });
    const email_address = address();
    const answer = ok(await users.exchangePrimaryFactor({ user_id, email_address }));
    assert.deepEqual([answer.user_id, answer.user.user_id], [user_id, user_id]);
    assert.deepEqual(answer.user.emails.map((known) => known.email), [email_address]);
    assert.notEqual(answer.user.emails[0].email_id, email_id);
    const { emails } = ok(await users.get({ user_id }));
    assert.deepEqual(emails, answer.user.emails);
    assert.notEqual(ok(await users.create({ email })).user_id, user_id);
    ok(await client.magicLinks.email.send({ email: email_address }));
  });

  test("of a user with two addresses is refused", async () => {
    const { user_id } = await entered();
    await client.magicLinks.email.send({ email: address(), user_id });
    const call = users.exchangePrimaryFactor({ user_id, email_address: address() });
    await refused(call, 400, "invalid_exchange_primary_factor_user");
  });

  test("with missing or ambiguous values is refused", async () => {
    const { user_id } = await users.create({ email: address() });
    const both = { email_address: address(), phone_number: "+12025550162" };
    for (const given of [{}, both]) {
      const call = users.exchangePrimaryFactor({ user_id, ...given });
      await refused(call, 400, "invalid_exchange_primary_factor_fields");
    }
  });

  test("to a taken or invalid address is refused", async () => {
    const [one, other] = [await users.create({ email: address() }), await users.create({ email: address() })];
    const to = (email_address) => users.exchangePrimaryFactor({ user_id: one.user_id, email_address });
    await refused(to(other.user.emails[0].email), 400, "duplicate_email");
    await refused(to("ada"), 400, "invalid_email");
    assert.deepEqual((await users.get({ user_id: one.user_id })).emails, one.user.emails);
  });

  test("of an unknown user, or with invalid credentials, is refused", async () => {
    const given = { user_id: unknownUser, email_address: address() };
    await refused(users.exchangePrimaryFactor(given), 404, "user_not_found");
    await refused(invalidClient.users.exchangePrimaryFactor(given), 401, "unauthorized_credentials");
  });
});
