// users.search, searchAll

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import {
  address, client, ok, refused, resetClock, shifted, token, unknownUser,
} from "./support.mjs";

const { users } = client;
const DAY = 24 * 3600;
/** Three of whom each filter finds some: b is a day, c two days younger than a. */
const people = {};

async function make() {
  const at = (days, work) => shifted((1000 + days) * DAY, work);
  people.a = await at(0, () =>
    users.create({
      email: address("anna"),
      create_user_as_pending: true,
      name: { first_name: "Zoë", last_name: "Ångström" },
      external_id: `search-${Date.now()}`,
    }));
  people.b = await at(1, () =>
    users.create({ email: address("bert"), name: { first_name: "Grace", middle_name: "B", last_name: "Hopper" } }));
  people.c = await at(2, async () => {
    const email = address("cleo");
    const made = await users.create({ email });
    await client.magicLinks.email.send({ email });
    await client.magicLinks.authenticate({ token: await token(email) });
    return made;
  });
}

const names = (found) =>
  found.map(({ user_id }) => Object.keys(people).find((name) => people[name].user_id === user_id)).join("");
const operand = (filter_name, filter_value) => ({ filter_name, filter_value });
const all = () => operand("user_id", Object.values(people).map((person) => person.user_id));
const time = (days) =>
  new Date(Date.parse(people.a.user.created_at) + days * DAY * 1000).toISOString();

async function search(operands, operator = "AND", more = {}) {
  return ok(await users.search({ query: { operator, operands }, ...more }));
}

describe("users.search", () => {
  before(async () => {
    await resetClock();
    await make();
  });

  // Each filter, its value, and the users that it finds.
  for (const [name, value, found] of [
    ["user_id", () => [people.a.user_id, people.c.user_id], "ac"],
    ["user_id", () => [people.a.user.external_id], "a"],
    ["user_id", () => [unknownUser], ""],
    ["email_address", () => [people.b.user.emails[0].email.toUpperCase(), "x@example.com"], "b"],
    ["email_address", () => ["x@example.com"], ""],
    ["email_id", () => [people.c.email_id, people.a.email_id], "ac"],
    ["email_address_fuzzy", () => "BERT", "b"],
    ["email_address_fuzzy", () => "example", "abc"],
    ["full_name_fuzzy", () => "zoë ång", "a"],
    ["full_name_fuzzy", () => "hopper", "b"],
    ["status", () => "pending", "a"],
    ["status", () => "active", "bc"],
    ["email_verified", () => true, "c"],
    ["email_verified", () => false, "ab"],
    ["created_at_greater_than", () => time(0.5), "bc"],
    ["created_at_less_than", () => time(0.5), "a"],
    ["created_at_between", () => ({ greater_than: time(0.5), less_than: time(1.5) }), "b"],
    ["password_exists", () => false, "abc"],
    ["password_exists", () => true, ""],
    ["phone_number", () => ["+12025550162"], ""],
    ["phone_id", () => ["phone-number-test-1"], ""],
    ["phone_number_fuzzy", () => "2025", ""],
    ["phone_verified", () => true, ""],
    ["oauth_provider", () => ["google"], ""],
    ["webauthn_registration_id", () => ["x"], ""],
    ["webauthn_registration_verified", () => true, ""],
    ["crypto_wallet_id", () => ["x"], ""],
    ["crypto_wallet_address", () => ["x"], ""],
    ["crypto_wallet_verified", () => true, ""],
    ["totp_id", () => ["x"], ""],
    ["totp_verified", () => true, ""],
  ]) {
    test(`by ${name} ${String(value).slice(6)} finds ${JSON.stringify(found)}`, async () => {
      const answer = await search([operand(name, value()), all()]);
      assert.equal(names(answer.results), found);
      assert.equal(answer.results_metadata.total, found.length);
      assert.equal(answer.results_metadata.next_cursor, null);
    });
  }

  test("returns users with every field", async () => {
    const { results } = await search([operand("user_id", [people.b.user_id])]);
    assert.deepEqual(results, [people.b.user]);
  });

  test("combines operands by AND or OR", async () => {
    const operands = [
      operand("user_id", [people.a.user_id, people.b.user_id]),
      operand("email_id", [people.b.email_id, people.c.email_id]),
    ];
    assert.equal(names((await search(operands, "AND")).results), "b");
    assert.equal(names((await search(operands, "OR")).results), "abc");
  });

  test("returns pages", async () => {
    const first = await search([all()], "AND", { limit: 2 });
    assert.equal(names(first.results), "ab");
    assert.equal(first.results_metadata.total, 3);
    const cursor = first.results_metadata.next_cursor;
    const second = await search([all()], "AND", { limit: 2, cursor });
    assert.equal(names(second.results), "c");
    assert.equal(second.results_metadata.next_cursor, null);
    const exact = await search([all()], "AND", { limit: 3 });
    assert.equal(exact.results_metadata.next_cursor, null);
  });

  test("without a query finds every user", async () => {
    const { results, results_metadata } = ok(await users.search({ limit: 1 }));
    assert.equal(results.length, 1);
    assert.ok(results_metadata.total > 3);
    const empty = ok(await users.search({ query: { operator: "AND", operands: [] }, limit: 1000 }));
    assert.equal(empty.results.length, results_metadata.total);
  });

  test("that is invalid is refused", async () => {
    const by = (name, value) => ({ query: { operator: "AND", operands: [operand(name, value)] } });
    for (const [given, type] of [
      [{ limit: 0 }, "user_search_invalid_limit"],
      [{ limit: 1001 }, "user_search_invalid_limit"],
      [{ cursor: "nowhere" }, "user_search_invalid_cursor"],
      [{ query: { operator: "XOR", operands: [] } }, "user_search_invalid_operator"],
      [by("shoe_size", [43]), "user_search_invalid_filter"],
      [by("email_address", "ada@example.com"), "user_search_invalid_filter"],
      [by("status", "asleep"), "user_search_invalid_filter"],
      [by("created_at_greater_than", "yesterday"), "user_search_invalid_filter"],
      [by("full_name_fuzzy", "ab"), "user_search_invalid_filter"],
    ]) {
      await refused(users.search(given), 400, type);
    }
  });

  test("as searchAll returns every page", async () => {
    const pages = [];
    const query = { operator: "AND", operands: [all()] };
    for await (const page of users.searchAll({ limit: 1, query })) pages.push(names(page));
    assert.deepEqual(pages, ["a", "b", "c"]);
    const nobody = { operator: "AND", operands: [operand("user_id", [unknownUser])] };
    for await (const page of users.searchAll({ query: nobody })) assert.deepEqual(page, []);
  });
});
