// invite, revoke_invite, login_or_create, send

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  address, advance, client, entered, mails, ok, redirect, refused, shifted, strict, token,
  unknownUser, UUID,
} from "./support.mjs";

const { email: links } = client.magicLinks;
const strictLinks = strict.magicLinks.email;
const { STYTCH_STRICT_URL } = process.env;

describe("invite", () => {
  test("creates a pending user and sends a link", async () => {
    const email = address();
    const answer = ok(
      await links.invite({
        email,
        invite_magic_link_url: `${redirect}?invite=7`,
        invite_expiration_minutes: 10080,
        name: { first_name: "Zoë", middle_name: "李", last_name: "Ångström 🦀" },
        locale: "pt-br",
        attributes: { ip_address: "203.0.113.7", user_agent: "Firefox" },
        trusted_metadata: { team: "blue" },
        untrusted_metadata: { shirt: "M" },
      }),
    );
    assert.match(answer.user_id, new RegExp(`^user-test-${UUID}$`));
    assert.match(answer.email_id, new RegExp(`^email-test-${UUID}$`));
    const [mail] = await mails(email);
    assert.equal(mail.kind, "invite");
    assert.equal(mail.url, `${redirect}?invite=7&stytch_token_type=magic_links&token=${mail.token}`);
    assert.equal(mail.token.length, 44);
    const user = ok(await client.users.get({ user_id: answer.user_id }));
    assert.equal(user.status, "pending");
    assert.deepEqual(user.name, { first_name: "Zoë", middle_name: "李", last_name: "Ångström 🦀" });
    assert.deepEqual(user.trusted_metadata, { team: "blue" });
    assert.deepEqual(user.untrusted_metadata, { shirt: "M" });
    assert.deepEqual(user.emails, [{ email_id: answer.email_id, email, verified: false }]);
  });

  test("with an address alone uses the default URL", async () => {
    const email = address();
    ok(await links.invite({ email }));
    assert.ok((await mails(email))[0].url.startsWith(`${redirect}?`));
  });

  test("sent again has the same user and another link, and both work", async () => {
    const email = address();
    const first = await links.invite({ email });
    await advance(2);
    assert.equal((await links.invite({ email })).user_id, first.user_id);
    const tokens = (await mails(email)).map((mail) => mail.token);
    assert.equal(tokens.length, 2);
    for (const token of tokens) ok(await client.magicLinks.authenticate({ token }));
  });

  test("of an active user is refused", async () => {
    const { user } = await entered();
    await advance(2);
    await refused(links.invite({ email: user.emails[0].email }), 400, "duplicate_email");
  });

  for (const email of ["", "ada", "@example.com", "ada@", "a b@example.com", "ada@example..com"]) {
    test(`of ${JSON.stringify(email)} is refused`, () =>
      refused(links.invite({ email }), 400, "invalid_email"));
  }

  for (const [what, fields, type] of [
    ["expiry of 4 minutes", { invite_expiration_minutes: 4 }, "invalid_expiration"],
    ["expiry of 10081 minutes", { invite_expiration_minutes: 10081 }, "invalid_expiration"],
    ["unknown locale", { locale: "tlh" }, "invalid_locale"],
    ["large metadata", { trusted_metadata: { a: "x".repeat(4096) } }, "metadata_too_large"],
    [
      "much metadata",
      { untrusted_metadata: Object.fromEntries([...Array(21).keys()].map((n) => [`k${n}`, n])) },
      "metadata_too_many_keys",
    ],
    ["metadata that is a list", { trusted_metadata: [1] }, "metadata_invalid_format"],
    ["URL that is none", { invite_magic_link_url: "not a url" }, "invalid_magic_link_url"],
    [
      "URL of somebody else",
      { invite_magic_link_url: "https://example.com/in" },
      "no_match_for_provided_magic_link_url",
    ],
  ]) {
    test(`with ${what} is refused, and sends no mail`, async () => {
      const email = address();
      await refused(links.invite({ email, ...fields }), 400, type);
      assert.deepEqual(await mails(email), []);
    });
  }
});

describe("revoke_invite", () => {
  test("ends the invitation and keeps the user", async () => {
    const email = address();
    const { user_id } = await links.invite({ email });
    ok(await links.revokeInvite({ email }));
    const revoked = client.magicLinks.authenticate({ token: await token(email) });
    await refused(revoked, 404, "magic_link_not_found");
    assert.equal((await client.users.get({ user_id })).status, "pending");
  });

  test("of an unknown address is refused", () =>
    refused(links.revokeInvite({ email: address() }), 404, "email_not_found"));

  test("of no address is refused", () =>
    refused(links.revokeInvite({ email: "ada" }), 400, "invalid_email"));
});

describe("login_or_create", () => {
  test("creates a user once, and sends the matching mail", async () => {
    const email = address();
    const urls = {
      login_magic_link_url: "http://localhost:3000/login",
      signup_magic_link_url: "http://localhost:3000/signup",
      login_expiration_minutes: 5,
      signup_expiration_minutes: 10080,
    };
    const first = ok(await links.loginOrCreate({ email, ...urls }));
    assert.equal(first.user_created, true);
    ok(await client.magicLinks.authenticate({ token: await token(email) }));
    await advance(2);
    const second = ok(await links.loginOrCreate({ email, ...urls, locale: "fr" }));
    assert.equal(second.user_created, false);
    assert.deepEqual([second.user_id, second.email_id], [first.user_id, first.email_id]);
    const [signup, login] = await mails(email);
    assert.deepEqual([signup.kind, login.kind], ["signup", "login"]);
    assert.ok(signup.url.startsWith(`${urls.signup_magic_link_url}?`));
    assert.ok(login.url.startsWith(`${urls.login_magic_link_url}?`));
  });

  for (const [pending, status] of [[true, "pending"], [false, "active"]]) {
    test(`with create_user_as_pending ${pending} creates a user who is ${status}`, async () => {
      const email = address();
      const made = await links.loginOrCreate({ email, create_user_as_pending: pending });
      assert.equal((await client.users.get({ user_id: made.user_id })).status, status);
    });
  }

  test("of an invited user activates them by a signup link", async () => {
    const email = address();
    const { user_id } = await links.invite({ email });
    await advance(2);
    assert.equal((await links.loginOrCreate({ email })).user_created, false);
    assert.equal((await mails(email))[1].kind, "signup");
    ok(await client.magicLinks.authenticate({ token: await token(email) }));
    assert.equal((await client.users.get({ user_id })).status, "active");
  });

  for (const [what, fields, type] of [
    ["an invalid address", { email: "ada" }, "invalid_email"],
    ["a login link of 4 minutes", { login_expiration_minutes: 4 }, "invalid_expiration"],
    ["a signup link of 8 days", { signup_expiration_minutes: 11520 }, "invalid_expiration"],
    ["a code challenge of no form", { code_challenge: "abc" }, "invalid_pkce_code_challenge"],
    ["an unknown locale", { locale: "tlh" }, "invalid_locale"],
    ["another login URL", { login_magic_link_url: "https://x.com/" }, "no_match_for_provided_magic_link_url"],
    ["another signup URL", { signup_magic_link_url: "https://x.com/" }, "no_match_for_provided_magic_link_url"],
  ]) {
    test(`with ${what} is refused`, () =>
      refused(links.loginOrCreate({ email: address(), ...fields }), 400, type));
  }
});

describe("send", () => {
  test("sends mail to a known user", async () => {
    const { user, user_id } = await entered();
    const { email, email_id } = user.emails[0];
    await advance(2);
    const sent = ok(await links.send({ email, login_magic_link_url: redirect }));
    assert.deepEqual([sent.user_id, sent.email_id], [user_id, email_id]);
    assert.equal((await mails(email)).at(-1).kind, "login");
    ok(await client.magicLinks.authenticate({ token: await token(email) }));
  });

  test("to an unknown address is refused", () =>
    refused(links.send({ email: address() }), 404, "email_not_found"));

  test("to an invalid address is refused", () =>
    refused(links.send({ email: "ada@" }), 400, "invalid_email"));

  for (const field of ["user_id", "session_token", "session_jwt"]) {
    test(`with a ${field} attaches another address`, async () => {
      const known = await entered();
      const email = address();
      const sent = ok(await links.send({ email, [field]: known[field] }));
      assert.equal(sent.user_id, known.user_id);
      const answer = ok(await client.magicLinks.authenticate({ token: await token(email) }));
      assert.equal(answer.method_id, sent.email_id);
      assert.deepEqual(
        answer.user.emails.map((address) => [address.email, address.verified]),
        [[known.user.emails[0].email, true], [email, true]],
      );
    });
  }

  test("attaches an address, which expires after five minutes unless it is used", async () => {
    const { user_id } = await entered();
    const email = address();
    await links.send({ email, user_id });
    await shifted(301, async () => {
      const late = client.magicLinks.authenticate({ token: await token(email) });
      await refused(late, 401, "unable_to_auth_magic_link");
      assert.equal((await client.users.get({ user_id })).emails.length, 1);
      assert.equal((await links.loginOrCreate({ email })).user_created, true);
    });
  });

  test("of another user's address is refused", async () => {
    const [one, other] = [await entered(), await entered()];
    await advance(2);
    const call = links.send({ email: other.user.emails[0].email, user_id: one.user_id });
    await refused(call, 400, "duplicate_email");
  });

  test("for an unknown user is refused", () =>
    refused(links.send({ email: address(), user_id: unknownUser }), 404, "user_not_found"));

  test("for two possible users is refused", async () => {
    const { user_id, session_token } = await entered();
    const call = links.send({ email: address(), user_id, session_token });
    await refused(call, 400, "too_many_user_selection_arguments");
  });
});

describe("one mail a second to an address", () => {
  const calls = {
    invite: (email) => links.invite({ email }),
    login_or_create: (email) => links.loginOrCreate({ email }),
    send: (email) => links.send({ email }),
  };
  for (const [name, call] of Object.entries(calls)) {
    test(`holds for ${name}`, async () => {
      const email = address();
      await client.users.create({ email, create_user_as_pending: true });
      // Concurrent requests arrive within a second, unless the machine stalls.
      const both = await Promise.allSettled([call(email), call(email)]);
      const failed = both.filter(({ status }) => status === "rejected");
      assert.equal(failed.length, 1);
      await refused(Promise.reject(failed[0].reason), 429, "too_many_requests");
      await advance(2);
      ok(await call(email));
      assert.equal((await mails(email)).length, 2);
    });
  }
});

describe("redirect URLs that are registered", () => {
  const registered = "https://app.example.com/authenticate";
  const invite = (url) => strictLinks.invite({ email: address(), invite_magic_link_url: url });

  for (const url of [registered, "https://www.app.example.com/authenticate", "https://app.example.com/welcome?id=42"]) {
    test(`allow ${url}`, async () => ok(await invite(url)));
  }

  for (const url of [`${registered}/`, `${registered}?x=1`, "http://app.example.com/authenticate", "https://app.example.com/welcome", redirect]) {
    test(`refuse ${url}`, () => refused(invite(url), 400, "no_match_for_provided_magic_link_url"));
  }

  test("have a default", async () => {
    const email = address();
    ok(await strictLinks.loginOrCreate({ email }));
    assert.ok((await mails(email, STYTCH_STRICT_URL))[0].url.startsWith(`${registered}?`));
  });

  test("hold for each link of login_or_create and send", async () => {
    const email = address();
    await strict.users.create({ email });
    const other = "https://app.example.com/other";
    for (const field of ["login_magic_link_url", "signup_magic_link_url"]) {
      for (const call of ["loginOrCreate", "send"]) {
        const refusal = strictLinks[call]({ email, [field]: other });
        await refused(refusal, 400, "no_match_for_provided_magic_link_url");
      }
    }
  });
});
