"""invite, revoke_invite, login_or_create, send"""

from support import (
    REDIRECT, STRICT_URL, UNKNOWN_USER, UUID, StytchError, address, advance, by_both_clients,
    mails, shifted, token,
)

NO_MATCH = "no_match_for_provided_magic_link_url"


@by_both_clients
class Invite:
    async def test_a_pending_user_is_created_and_a_link_sent(self):
        email = address()
        answer = self.ok(
            await self.links.invite(
                email=email,
                invite_magic_link_url=f"{REDIRECT}?invite=7",
                invite_expiration_minutes=10080,
                name={"first_name": "Zoë", "middle_name": "李", "last_name": "Ångström 🦀"},
                locale="pt-br",
                attributes={"ip_address": "203.0.113.7", "user_agent": "Firefox"},
                trusted_metadata={"team": "blue"},
                untrusted_metadata={"shirt": "M"},
            )
        )
        self.assertRegex(answer.user_id, f"^user-test-{UUID}$")
        self.assertRegex(answer.email_id, f"^email-test-{UUID}$")
        (mail,) = mails(email)
        self.assertEqual(mail["kind"], "invite")
        query = f"invite=7&stytch_token_type=magic_links&token={mail['token']}"
        self.assertEqual(mail["url"], f"{REDIRECT}?{query}")
        user = self.ok(await self.client.users.get(user_id=answer.user_id))
        self.assertEqual(user.status, "pending")
        names = (user.name.first_name, user.name.middle_name, user.name.last_name)
        self.assertEqual(names, ("Zoë", "李", "Ångström 🦀"))
        self.assertEqual(user.trusted_metadata, {"team": "blue"})
        self.assertEqual(user.untrusted_metadata, {"shirt": "M"})
        (known,) = user.emails
        self.assertEqual((known.email, known.email_id), (email, answer.email_id))
        self.assertFalse(known.verified)

    async def test_the_default_url_is_used(self):
        email = address()
        self.ok(await self.links.invite(email=email))
        self.assertTrue(mails(email)[0]["url"].startswith(f"{REDIRECT}?"))

    async def test_two_invitations_share_a_user_and_both_work(self):
        email = address()
        first = await self.links.invite(email=email)
        advance(2)
        self.assertEqual((await self.links.invite(email=email)).user_id, first.user_id)
        self.assertEqual(len(mails(email)), 2)
        for mail in mails(email):
            self.ok(await self.client.magic_links.authenticate(token=mail["token"]))

    async def test_an_active_user_is_refused(self):
        known = await self.entered()
        advance(2)
        call = self.links.invite(email=known.user.emails[0].email)
        await self.refused(call, 400, "duplicate_email")

    async def test_an_invalid_address_is_refused(self):
        for email in ("", "ada", "@example.com", "ada@", "a b@example.com", "ada@example..com"):
            with self.subTest(email):
                await self.refused(self.links.invite(email=email), 400, "invalid_email")

    async def test_an_invalid_request_is_refused_and_sends_nothing(self):
        many = {f"k{n}": n for n in range(21)}
        for fields, error_type in (
            ({"invite_expiration_minutes": 4}, "invalid_expiration"),
            ({"invite_expiration_minutes": 10081}, "invalid_expiration"),
            ({"locale": "tlh"}, "invalid_locale"),
            ({"trusted_metadata": {"a": "x" * 4096}}, "metadata_too_large"),
            ({"untrusted_metadata": many}, "metadata_too_many_keys"),
            ({"trusted_metadata": [1]}, "metadata_invalid_format"),
            ({"invite_magic_link_url": "not a url"}, "invalid_magic_link_url"),
            ({"invite_magic_link_url": "https://example.com/in"}, NO_MATCH),
        ):
            with self.subTest(error_type):
                email = address()
                await self.refused(self.links.invite(email=email, **fields), 400, error_type)
                self.assertEqual(mails(email), [])


@by_both_clients
class RevokeInvite:
    async def test_the_invitation_ends_and_the_user_stays(self):
        email = address()
        invited = await self.links.invite(email=email)
        self.ok(await self.links.revoke_invite(email=email))
        call = self.client.magic_links.authenticate(token=token(email))
        await self.refused(call, 404, "magic_link_not_found")
        user = await self.client.users.get(user_id=invited.user_id)
        self.assertEqual(user.status, "pending")

    async def test_an_unknown_address_or_none_is_refused(self):
        await self.refused(self.links.revoke_invite(email=address()), 404, "email_not_found")
        await self.refused(self.links.revoke_invite(email="ada"), 400, "invalid_email")


@by_both_clients
class LoginOrCreate:
    async def test_a_user_is_created_once_and_receives_the_matching_mail(self):
        email = address()
        urls = {
            "login_magic_link_url": "http://localhost:3000/login",
            "signup_magic_link_url": "http://localhost:3000/signup",
            "login_expiration_minutes": 5,
            "signup_expiration_minutes": 10080,
        }
        first = self.ok(await self.links.login_or_create(email=email, **urls))
        self.assertTrue(first.user_created)
        self.ok(await self.client.magic_links.authenticate(token=token(email)))
        advance(2)
        second = self.ok(await self.links.login_or_create(email=email, locale="fr", **urls))
        self.assertFalse(second.user_created)
        self.assertEqual((second.user_id, second.email_id), (first.user_id, first.email_id))
        signup, login = mails(email)
        self.assertEqual((signup["kind"], login["kind"]), ("signup", "login"))
        self.assertTrue(signup["url"].startswith("http://localhost:3000/signup?"))
        self.assertTrue(login["url"].startswith("http://localhost:3000/login?"))

    async def test_a_new_user_can_be_pending(self):
        for pending, status in ((True, "pending"), (False, "active")):
            made = await self.links.login_or_create(
                email=address(), create_user_as_pending=pending
            )
            self.assertEqual((await self.client.users.get(user_id=made.user_id)).status, status)

    async def test_an_invited_user_becomes_active_by_a_signup_link(self):
        email = address()
        invited = await self.links.invite(email=email)
        advance(2)
        self.assertFalse((await self.links.login_or_create(email=email)).user_created)
        self.assertEqual(mails(email)[1]["kind"], "signup")
        self.ok(await self.client.magic_links.authenticate(token=token(email)))
        user = await self.client.users.get(user_id=invited.user_id)
        self.assertEqual(user.status, "active")

    async def test_an_invalid_request_is_refused(self):
        for fields, error_type in (
            ({"email": "ada"}, "invalid_email"),
            ({"login_expiration_minutes": 4}, "invalid_expiration"),
            ({"signup_expiration_minutes": 11520}, "invalid_expiration"),
            ({"code_challenge": "abc"}, "invalid_pkce_code_challenge"),
            ({"locale": "tlh"}, "invalid_locale"),
            ({"login_magic_link_url": "https://x.com/"}, NO_MATCH),
            ({"signup_magic_link_url": "https://x.com/"}, NO_MATCH),
        ):
            with self.subTest(fields):
                call = self.links.login_or_create(**{"email": address(), **fields})
                await self.refused(call, 400, error_type)


@by_both_clients
class Send:
    async def test_a_known_user_receives_a_link(self):
        known = await self.entered()
        (email,) = known.user.emails
        advance(2)
        sent = self.ok(await self.links.send(email=email.email, login_magic_link_url=REDIRECT))
        self.assertEqual((sent.user_id, sent.email_id), (known.user_id, email.email_id))
        self.assertEqual(mails(email.email)[-1]["kind"], "login")
        self.ok(await self.client.magic_links.authenticate(token=token(email.email)))

    async def test_an_unknown_or_invalid_address_is_refused(self):
        await self.refused(self.links.send(email=address()), 404, "email_not_found")
        await self.refused(self.links.send(email="ada@"), 400, "invalid_email")

    async def test_another_address_is_attached(self):
        for field in ("user_id", "session_token", "session_jwt"):
            with self.subTest(field):
                known = await self.entered()
                email = address()
                sent = self.ok(
                    await self.links.send(email=email, **{field: getattr(known, field)})
                )
                self.assertEqual(sent.user_id, known.user_id)
                answer = await self.client.magic_links.authenticate(token=token(email))
                self.assertEqual(answer.method_id, sent.email_id)
                found = [(known.email, known.verified) for known in answer.user.emails]
                self.assertEqual(found, [(known.user.emails[0].email, True), (email, True)])

    async def test_an_unused_attached_address_expires_after_five_minutes(self):
        known = await self.entered()
        email = address()
        await self.links.send(email=email, user_id=known.user_id)
        with shifted(301):
            call = self.client.magic_links.authenticate(token=token(email))
            await self.refused(call, 401, "unable_to_auth_magic_link")
            self.assertEqual(len((await self.client.users.get(user_id=known.user_id)).emails), 1)
            self.assertTrue((await self.links.login_or_create(email=email)).user_created)

    async def test_another_users_address_an_unknown_user_and_two_users_are_refused(self):
        one, other = await self.entered(), await self.entered()
        advance(2)
        call = self.links.send(email=other.user.emails[0].email, user_id=one.user_id)
        await self.refused(call, 400, "duplicate_email")
        call = self.links.send(email=address(), user_id=UNKNOWN_USER)
        await self.refused(call, 404, "user_not_found")
        call = self.links.send(
            email=address(), user_id=one.user_id, session_token=one.session_token
        )
        await self.refused(call, 400, "too_many_user_selection_arguments")


@by_both_clients
class MailLimit:
    async def test_an_address_receives_at_most_one_mail_a_second(self):
        for name in ("invite", "login_or_create", "send"):
            with self.subTest(name):
                email, call = address(), getattr(self.links, name)
                await self.client.users.create(email=email, create_user_as_pending=True)
                self.ok(await call(email=email))
                for _ in range(50):  # the next within a second; more than one if the machine stalls
                    try:
                        await call(email=email)
                    except StytchError as error:
                        refused = error
                        break
                self.assertEqual(refused.details.status_code, 429)
                self.assertEqual(refused.details.error_type, "too_many_requests")
                sent = len(mails(email))
                advance(2)
                self.ok(await call(email=email))
                self.assertEqual(len(mails(email)), sent + 1)


@by_both_clients
class RegisteredUrls:
    URL = "https://app.example.com/authenticate"

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.strict = self.client_of(url=STRICT_URL)

    async def test_only_registered_urls_are_allowed(self):
        invite = self.strict.magic_links.email.invite
        for url in (
            self.URL,
            "https://www.app.example.com/authenticate",
            "https://app.example.com/welcome?id=42",
        ):
            with self.subTest(url):
                self.ok(await invite(email=address(), invite_magic_link_url=url))
        for url in (
            f"{self.URL}/",
            f"{self.URL}?x=1",
            "http://app.example.com/authenticate",
            "https://app.example.com/welcome",
            REDIRECT,
        ):
            with self.subTest(url):
                call = invite(email=address(), invite_magic_link_url=url)
                await self.refused(call, 400, NO_MATCH)

    async def test_the_default_url_is_registered(self):
        email = address()
        self.ok(await self.strict.magic_links.email.login_or_create(email=email))
        self.assertTrue(mails(email, STRICT_URL)[0]["url"].startswith(f"{self.URL}?"))

    async def test_each_link_of_login_or_create_and_send_is_checked(self):
        email = address()
        await self.strict.users.create(email=email)
        for field in ("login_magic_link_url", "signup_magic_link_url"):
            for name in ("login_or_create", "send"):
                call = getattr(self.strict.magic_links.email, name)
                other = {field: "https://app.example.com/other"}
                await self.refused(call(email=email, **other), 400, NO_MATCH)
