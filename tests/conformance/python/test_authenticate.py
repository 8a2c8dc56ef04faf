"""magic_links.authenticate"""

import base64
import hashlib

from support import UUID, address, advance, by_both_clients, seconds, shifted, token

VERIFIER = "a-verifier-of-forty-three-characters-or-more-0123"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:-1]


class Links:
    async def link(self, email=None, **fields):
        email = email or address()
        await self.links.login_or_create(email=email, **fields)
        return token(email)

    async def authenticate(self, **fields):
        return self.ok(await self.client.magic_links.authenticate(**fields))

    async def refuses(self, status, error_type, **fields):
        await self.refused(self.client.magic_links.authenticate(**fields), status, error_type)


@by_both_clients
class MagicLink(Links):
    async def test_no_session_is_created_without_a_duration(self):
        email = address()
        invited = await self.links.invite(email=email)
        answer = await self.authenticate(token=token(email))
        ids = (answer.user_id, answer.method_id)
        self.assertEqual(ids, (invited.user_id, invited.email_id))
        self.assertEqual((answer.session_token, answer.session_jwt), ("", ""))
        self.assertIsNone(answer.session)
        self.assertEqual(answer.user.status, "active")
        self.assertTrue(answer.user.emails[0].verified)
        self.assertFalse(answer.reset_sessions)

    async def test_a_session_is_created_with_a_duration(self):
        email = address()
        answer = self.ok(await self.entered(email, minutes=90))
        self.assertEqual(len(answer.session_token), 44)
        self.assertRegex(answer.session_jwt, r"^eyJ[\w-]+\.[\w-]+\.[\w-]{342}$")
        session = answer.session
        self.assertRegex(session.session_id, f"^session-test-{UUID}$")
        self.assertEqual(session.user_id, answer.user_id)
        self.assertEqual(seconds(session.started_at, session.expires_at), 90 * 60)
        (factor,) = session.authentication_factors
        self.assertEqual((factor.type, factor.delivery_method), ("magic_link", "email"))
        self.assertEqual(factor.email_factor.email_address, email)
        self.assertEqual(factor.email_factor.email_id, answer.method_id)
        self.assertEqual(session.custom_claims, {})

    async def test_attributes_and_claims_are_stored_in_the_session(self):
        attributes = {"ip_address": "203.0.113.7", "user_agent": "Firefox"}
        claims = {"plan": {"seats": 3}}
        answer = await self.entered(attributes=attributes, session_custom_claims=claims)
        self.assertEqual(answer.session.attributes.ip_address, "203.0.113.7")
        self.assertEqual(answer.session.attributes.user_agent, "Firefox")
        self.assertEqual(answer.session.custom_claims, claims)

    async def test_a_link_works_once(self):
        used = await self.link()
        await self.authenticate(token=used)
        await self.refuses(401, "unable_to_auth_magic_link", token=used)

    async def test_an_unknown_token_and_none_are_refused(self):
        await self.refuses(404, "magic_link_not_found", token="A" * 44)
        await self.refuses(400, "invalid_token", token="")

    async def test_a_link_expires(self):
        for name, fields, minutes in (
            ("invite", {}, 60),
            ("invite", {"invite_expiration_minutes": 7}, 7),
            ("login_or_create", {}, 10080),
            ("login_or_create", {"signup_expiration_minutes": 5}, 5),
        ):
            with self.subTest(name, minutes=minutes):
                early, late = address(), address()
                for email in (early, late):
                    await getattr(self.links, name)(email=email, **fields)
                with shifted(minutes * 60 - 30):
                    await self.authenticate(token=token(early))
                with shifted(minutes * 60 + 1):
                    await self.refuses(401, "unable_to_auth_magic_link", token=token(late))

    async def test_a_wrong_duration_is_refused_and_the_link_still_works(self):
        for minutes in (4, 0, -1, 527041):
            with self.subTest(minutes):
                good = await self.link()
                wrong = {"token": good, "session_duration_minutes": minutes}
                await self.refuses(400, "invalid_session_duration_minutes", **wrong)
                await self.authenticate(token=good, session_duration_minutes=527040)

    async def test_wrong_claims_are_refused_and_the_link_still_works(self):
        for claims, error_type in (
            ({"sub": "me"}, "reserved_claims_in_custom_claims"),
            ({"https://stytch.com/session": {}}, "stytch_claims_in_custom_claims"),
            ({"a": "x" * 4096}, "custom_claims_too_large"),
        ):
            with self.subTest(error_type):
                given = {"token": await self.link(), "session_duration_minutes": 5}
                await self.refuses(400, error_type, session_custom_claims=claims, **given)
                await self.authenticate(**given)


@by_both_clients
class MagicLinkOfASession(Links):
    async def test_a_session_is_extended(self):
        for field in ("session_token", "session_jwt"):
            with self.subTest(field):
                first = await self.entered(session_custom_claims={"a": 1})
                advance(2)
                second = await self.authenticate(
                    token=await self.link(first.user.emails[0].email),
                    session_duration_minutes=600,
                    session_custom_claims={"b": 2},
                    **{field: getattr(first, field)},
                )
                session = second.session
                self.assertEqual(session.session_id, first.session.session_id)
                self.assertEqual(second.session_token, first.session_token)
                self.assertEqual(seconds(session.last_accessed_at, session.expires_at), 36000)
                self.assertEqual(len(session.authentication_factors), 1)
                self.assertEqual(session.custom_claims, {"a": 1, "b": 2})

    async def test_another_address_adds_a_factor(self):
        known = await self.entered()
        email = address()
        await self.links.send(email=email, user_id=known.user_id)
        answer = await self.authenticate(token=token(email), session_token=known.session_token)
        factors = answer.session.authentication_factors
        self.assertEqual(len(factors), 2)
        self.assertEqual(factors[1].email_factor.email_address, email)

    async def test_another_users_session_is_refused_and_the_link_still_works(self):
        known, good = await self.entered(), await self.link()
        wrong = {"token": good, "session_token": known.session_token}
        await self.refuses(404, "session_not_found", **wrong)
        await self.authenticate(token=good)

    async def test_a_session_given_twice_is_refused(self):
        known = await self.entered()
        await self.refuses(
            400,
            "too_many_session_arguments",
            token=await self.link(),
            session_token=known.session_token,
            session_jwt=known.session_jwt,
        )


@by_both_clients
class Pkce(Links):
    async def test_the_verifier_is_required(self):
        bound = await self.link(code_challenge=CHALLENGE)
        await self.refuses(400, "pkce_expected_code_verifier", token=bound)
        await self.refuses(400, "pkce_mismatch", token=bound, code_verifier=f"{VERIFIER}-not")
        await self.authenticate(token=bound, code_verifier=VERIFIER)

    async def test_an_unexpected_verifier_is_refused(self):
        wrong = {"token": await self.link(), "code_verifier": VERIFIER}
        await self.refuses(400, "pkce_did_not_expect_code_verifier", **wrong)

    async def test_send_accepts_a_challenge(self):
        email = address()
        await self.client.users.create(email=email)
        await self.links.send(email=email, code_challenge=CHALLENGE)
        await self.authenticate(token=token(email), code_verifier=VERIFIER)


@by_both_clients
class AttributesThatMustMatch(Links):
    async def test_mismatched_attributes_are_refused(self):
        attributes = {"ip_address": "203.0.113.7", "user_agent": "Firefox"}
        for option, other in (
            ("ip_match_required", {**attributes, "ip_address": "203.0.113.8"}),
            ("user_agent_match_required", {**attributes, "user_agent": "curl"}),
        ):
            with self.subTest(option):
                bound = await self.link(attributes=attributes)
                options = {
                    "ip_match_required": False, "user_agent_match_required": False, option: True
                }
                given = {"token": bound, "options": options}
                await self.refuses(401, "attribute_mismatch", attributes=other, **given)
                await self.authenticate(attributes=attributes, **given)
