// users: create, get, update, delete, delete email, delete external id

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";

import {
  address, client, entered, ok, refused, shifted, token, unknownUser, UUID,
} from "./support.mjs";

const { users } = client;
const create = async (fields = {}) => users.create({ email: address(), ...fields });

describe("users.create", () => {
  test("returns every field", async () => {
    const email = address();
    const external_id = randomUUID();
    const answer = ok(
      await users.create({
        email,
        name: { first_name: "Zoë", last_name: "Ångström 🦀" },
        create_user_as_pending: true,
        trusted_metadata: { team: "blue", age: 7, tags: ["a"], nested: { x: null } },
        untrusted_metadata: { shirt: "M" },
        external_id,
        roles: ["editor"],
        attributes: { ip_address: "203.0.113.7" },
      }),
    );
    const { user, user_id, email_id } = answer;
    assert.match(user_id, new RegExp(`^user-test-${UUID}$`));
    assert.deepEqual([answer.status, answer.phone_id], ["pending", ""]);
    assert.match(user.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.deepEqual(user, {
      user_id,
      name: { first_name: "Zoë", middle_name: "", last_name: "Ångström 🦀" },
      emails: [{ email_id, email, verified: false }],
      status: "pending",
      roles: ["stytch_user", "editor"],
      trusted_metadata: { team: "blue", age: 7, tags: ["a"], nested: { x: null } },
      untrusted_metadata: { shirt: "M" },
      external_id,
      created_at: user.created_at,
      phone_numbers: [],
      providers: [],
      webauthn_registrations: [],
      biometric_registrations: [],
      totps: [],
      crypto_wallets: [],
      password: null,
      is_locked: false,
      lock_created_at: null,
      lock_expires_at: null,
    });
  });

  test("creates an active user by default", async () => {
    const answer = ok(await create());
    assert.equal(answer.status, "active");
    assert.equal(answer.user.emails[0].verified, false);
  });

  test("accepts an address once, regardless of case", async () => {
    const email = address();
    await users.create({ email });
    await refused(users.create({ email }), 400, "duplicate_email");
    await refused(users.create({ email: email.toUpperCase() }), 400, "duplicate_email");
  });

  test("accepts an external id once", async () => {
    const external_id = randomUUID();
    await create({ external_id });
    await refused(create({ external_id }), 400, "duplicate_user_external_id");
  });

  for (const [what, fields, type] of [
    ["no address", { email: undefined }, "invalid_create_user_request"],
    ["an invalid address", { email: "ada" }, "invalid_email"],
    ["an external id of other letters", { external_id: "a b" }, "invalid_external_id"],
    ["a long external id", { external_id: "x".repeat(129) }, "invalid_external_id"],
    ["large metadata", { trusted_metadata: { a: "x".repeat(4096) } }, "metadata_too_large"],
    ["metadata that is text", { untrusted_metadata: "blue" }, "metadata_invalid_format"],
  ]) {
    test(`with ${what} is refused`, () => refused(create(fields), 400, type));
  }
});

describe("users.get", () => {
  test("returns the user's fields at the top level", async () => {
    const external_id = randomUUID();
    const { user, user_id } = await create({ external_id });
    for (const id of [user_id, external_id]) {
      const { status_code, request_id, ...fields } = ok(await users.get({ user_id: id }));
      assert.deepEqual(fields, user);
    }
  });

  test("of an unknown or malformed id is refused", async () => {
    await refused(users.get({ user_id: unknownUser }), 404, "user_not_found");
    await refused(users.get({ user_id: "no one" }), 400, "invalid_user_id");
  });
});

describe("users.update", () => {
  test("changes only the given fields", async () => {
    const made = await create({ name: { first_name: "Ada", last_name: "Lovelace" } });
    const { user_id } = made;
    const external_id = randomUUID();
    const answer = ok(await users.update({ user_id, name: { last_name: "Кинг 李" }, external_id }));
    assert.deepEqual(answer.user.name, { first_name: "Ada", middle_name: "", last_name: "Кинг 李" });
    assert.equal(answer.user.external_id, external_id);
    assert.equal(answer.user_id, user_id);
    assert.deepEqual(answer.emails, made.user.emails);
    assert.deepEqual([answer.phone_numbers, answer.crypto_wallets], [[], []]);
    assert.deepEqual(ok(await users.update({ user_id })).user, answer.user);
    assert.deepEqual(ok(await users.update({ user_id: external_id })).user, answer.user);
  });

  for (const kind of ["trusted_metadata", "untrusted_metadata"]) {
    test(`merges ${kind} at its top level, where null deletes`, async () => {
      const { user_id } = await create({ [kind]: { a: { x: 1 }, b: 1, c: 1 } });
      const { user } = await users.update({ user_id, [kind]: { a: { y: 2 }, b: null } });
      assert.deepEqual(user[kind], { a: { y: 2 }, c: 1 });
    });
  }

  test("sets roles", async () => {
    const { user_id } = await create();
    const { user } = await users.update({ user_id, roles: ["editor", "stytch_user"] });
    assert.deepEqual(user.roles.sort(), ["editor", "stytch_user"]);
  });

  test("that is invalid is refused, and changes nothing", async () => {
    const external_id = randomUUID();
    await create({ external_id });
    const { user, user_id } = await create();
    const many = Object.fromEntries([...Array(21).keys()].map((n) => [`k${n}`, n]));
    const name = { first_name: "Eve" };
    for (const [fields, type] of [
      [{ external_id }, "duplicate_user_external_id"],
      [{ external_id: "ä" }, "invalid_external_id"],
      [{ trusted_metadata: many }, "metadata_too_many_keys"],
      [{ untrusted_metadata: { a: "x".repeat(4096) } }, "metadata_too_large"],
    ]) {
      await refused(users.update({ user_id, name, ...fields }), 400, type);
    }
    assert.equal((await users.get({ user_id })).name.first_name, user.name.first_name);
  });

  test("of an unknown user is refused", () =>
    refused(users.update({ user_id: unknownUser }), 404, "user_not_found"));
});

describe("users.delete", () => {
  test("works once, ends sessions and links, and frees the address", async () => {
    const { user, user_id, session_token } = await entered();
    const { email } = user.emails[0];
    const link = await shifted(2, async () => {
      await client.magicLinks.email.send({ email });
      return token(email);
    });
    assert.equal(ok(await users.delete({ user_id })).user_id, user_id);
    await refused(users.delete({ user_id }), 404, "user_not_found");
    await refused(users.get({ user_id }), 404, "user_not_found");
    await refused(client.sessions.get({ user_id }), 404, "user_not_found");
    await refused(client.sessions.authenticate({ session_token }), 404, "session_not_found");
    const used = client.magicLinks.authenticate({ token: link });
    await refused(used, 404, "magic_link_not_found");
    const again = ok(await users.create({ email }));
    assert.notEqual(again.user_id, user_id);
  });

  test("by external id", async () => {
    const external_id = randomUUID();
    const { user_id } = await create({ external_id });
    assert.equal(ok(await users.delete({ user_id: external_id })).user_id, user_id);
    await create({ external_id });
  });

  test("of a malformed id is refused", () =>
    refused(users.delete({ user_id: "no one" }), 400, "invalid_user_id"));
});

describe("users.deleteEmail", () => {
  test("deletes one of two addresses", async () => {
    const { user_id, method_id } = await entered();
    const email = address();
    await client.magicLinks.email.send({ email, user_id });
    const { method_id: second } = await client.magicLinks.authenticate({ token: await token(email) });
    const answer = ok(await users.deleteEmail({ email_id: method_id }));
    assert.equal(answer.user_id, user_id);
    assert.deepEqual(answer.user.emails, [{ email_id: second, email, verified: true }]);
    await refused(users.deleteEmail({ email_id: method_id }), 404, "email_not_found");
    const last = users.deleteEmail({ email_id: second });
    await refused(last, 400, "cannot_delete_last_primary_factor");
  });

  test("ends the links to that address", async () => {
    const { user_id } = await entered();
    const email = address();
    const { email_id } = await client.magicLinks.email.send({ email, user_id });
    ok(await users.deleteEmail({ email_id }));
    const link = client.magicLinks.authenticate({ token: await token(email) });
    await refused(link, 404, "magic_link_not_found");
    ok(await users.create({ email }));
  });
});

describe("users.deleteExternalId", () => {
  test("frees the id", async () => {
    const external_id = randomUUID();
    const { user_id } = await create({ external_id });
    const answer = ok(await users.deleteExternalId({ user_id: external_id }));
    assert.deepEqual([answer.user_id, answer.user.external_id], [user_id, null]);
    await refused(users.get({ user_id: external_id }), 404, "user_not_found");
    assert.equal(ok(await users.deleteExternalId({ user_id })).user.external_id, null);
    ok(await create({ external_id }));
  });

  test("of an unknown user is refused", () =>
    refused(users.deleteExternalId({ user_id: unknownUser }), 404, "user_not_found"));
});
