"""sessions: get, authenticate, revoke, get_jwks"""

from stytch.consumer.models.sessions import AuthorizationCheck

from support import (
    OTHER_PROJECT, PROJECT_ID, STRICT_URL, UNKNOWN_TOKEN, UNKNOWN_USER, address, advance,
    by_both_clients, seconds, shifted, token,
)


class Sessions:
    async def authenticate(self, **fields):
        return self.ok(await self.client.sessions.authenticate(**fields))

    async def refuses(self, call, status, error_type, **fields):
        await self.refused(getattr(self.client.sessions, call)(**fields), status, error_type)


@by_both_clients
class Authenticate(Sessions):
    async def test_a_token_or_jwt_returns_the_session_its_user_and_a_new_jwt(self):
        first = await self.entered(minutes=60)
        advance(2)
        for field in ("session_token", "session_jwt"):
            answer = await self.authenticate(**{field: getattr(first, field)})
            self.assertEqual(answer.session_token, first.session_token)
            self.assertNotEqual(answer.session_jwt, first.session_jwt)
            self.assertEqual(answer.session.session_id, first.session.session_id)
            self.assertEqual(answer.session.expires_at, first.session.expires_at)
            self.assertGreater(answer.session.last_accessed_at, first.session.last_accessed_at)
            self.assertEqual(answer.user, first.user)

    async def test_a_duration_changes_the_expiry(self):
        given = {"session_token": (await self.entered(minutes=5)).session_token}
        for minutes in (527040, 5):
            session = (await self.authenticate(session_duration_minutes=minutes, **given)).session
            lasts = seconds(session.last_accessed_at, session.expires_at)
            self.assertEqual(lasts, minutes * 60)

    async def test_claims_are_set_merged_and_deleted(self):
        given = {"session_token": (await self.entered()).session_token}
        for claims, expected in (
            ({"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"x": 1, "y": 2}, "b": 1}),
            ({"a": {"z": 3}}, {"a": {"x": 1, "y": 2, "z": 3}, "b": 1}),
            ({"a": {"x": None}, "b": None}, {"a": {"y": 2, "z": 3}}),
            (None, {"a": {"y": 2, "z": 3}}),
        ):
            answer = await self.authenticate(session_custom_claims=claims, **given)
            self.assertEqual(answer.session.custom_claims, expected)

    async def test_wrong_claims_are_refused(self):
        given = {"session_token": (await self.entered()).session_token}
        for claims, error_type in (
            ({"exp": 1}, "reserved_claims_in_custom_claims"),
            ({"a": "x" * 4096}, "custom_claims_too_large"),
        ):
            wrong = {"session_custom_claims": claims, **given}
            await self.refuses("authenticate", 400, error_type, **wrong)

    async def test_an_expired_session_is_not_found(self):
        known = await self.entered(minutes=5)
        by_token, by_jwt = (
            {field: getattr(known, field)} for field in ("session_token", "session_jwt")
        )
        with shifted(301):
            await self.refuses("authenticate", 404, "session_not_found", **by_token)
            await self.refuses("authenticate", 404, "session_not_found", **by_jwt)
            await self.refuses("revoke", 404, "session_not_found", **by_token)
            listed = self.ok(await self.client.sessions.get(user_id=known.user_id))
            self.assertEqual(listed.sessions, [])

    async def test_a_wrong_duration_is_refused(self):
        given = {"session_token": (await self.entered()).session_token}
        for minutes in (4, 0, 527041):
            wrong = {"session_duration_minutes": minutes, **given}
            await self.refuses("authenticate", 400, "invalid_session_duration_minutes", **wrong)

    async def test_missing_ambiguous_and_invalid_values_are_refused(self):
        known = await self.entered()
        both = {"session_token": known.session_token, "session_jwt": known.session_jwt}
        header, _, signature = known.session_jwt.split(".")
        for fields, status, error_type in (
            ({}, 400, "no_session_arguments"),
            (both, 400, "too_many_session_arguments"),
            ({"session_token": "short"}, 400, "invalid_session_token"),
            ({"session_token": UNKNOWN_TOKEN}, 404, "session_not_found"),
            ({"session_jwt": "not.a.jwt"}, 400, "unable_to_parse_session_jwt"),
            ({"session_jwt": f"{header}.e30.{signature}"}, 400, "unable_to_parse_session_jwt"),
        ):
            with self.subTest(error_type):
                await self.refuses("authenticate", status, error_type, **fields)

    async def test_credentials_of_another_project_are_refused(self):
        strict, email = self.client_of(url=STRICT_URL), address()
        await strict.magic_links.email.login_or_create(email=email)
        theirs = await strict.magic_links.authenticate(
            token=token(email, STRICT_URL), session_duration_minutes=5
        )
        by_jwt = {"session_jwt": theirs.session_jwt}
        await self.refuses("authenticate", 400, "unable_to_parse_session_jwt", **by_jwt)
        by_token = {"session_token": theirs.session_token}
        await self.refuses("authenticate", 404, "session_not_found", **by_token)

    async def test_an_authorization_check_is_refused_without_a_policy(self):
        check = AuthorizationCheck(resource_id="documents", action="read")
        given = {"session_token": (await self.entered()).session_token}
        wrong = {"authorization_check": check, **given}
        await self.refuses("authenticate", 403, "session_authorization_error", **wrong)


@by_both_clients
class Get(Sessions):
    async def test_only_active_sessions_are_listed(self):
        first = await self.entered()
        advance(2)
        second = await self.entered(first.user.emails[0].email)
        both = self.ok(await self.client.sessions.get(user_id=first.user_id)).sessions
        self.assertCountEqual(both, [first.session, second.session])
        await self.client.sessions.revoke(session_id=first.session.session_id)
        left = self.ok(await self.client.sessions.get(user_id=first.user_id)).sessions
        self.assertEqual(left, [second.session])

    async def test_a_user_without_a_login_has_no_sessions(self):
        made = await self.client.users.create(email=address())
        listed = self.ok(await self.client.sessions.get(user_id=made.user_id))
        self.assertEqual(listed.sessions, [])

    async def test_an_unknown_user_and_none_are_refused(self):
        await self.refuses("get", 404, "user_not_found", user_id=UNKNOWN_USER)
        await self.refuses("get", 400, "invalid_user_id", user_id="")


@by_both_clients
class Revoke(Sessions):
    async def test_a_session_is_revoked_once(self):
        for field, of in (
            ("session_id", lambda answer: answer.session.session_id),
            ("session_token", lambda answer: answer.session_token),
            ("session_jwt", lambda answer: answer.session_jwt),
        ):
            with self.subTest(field):
                known = await self.entered()
                given = {field: of(known)}
                self.ok(await self.client.sessions.revoke(**given))
                for ended in (
                    {"session_token": known.session_token}, {"session_jwt": known.session_jwt}
                ):
                    await self.refuses("authenticate", 404, "session_not_found", **ended)
                await self.refuses("revoke", 404, "session_not_found", **given)

    async def test_missing_ambiguous_and_invalid_values_are_refused(self):
        known = await self.entered()
        ids = {"session_id": known.session.session_id, "session_token": known.session_token}
        secrets = {"session_token": known.session_token, "session_jwt": known.session_jwt}
        unknown = "session-test-00000000-0000-4000-8000-000000000000"
        for fields, status, error_type in (
            ({}, 400, "no_session_revoke_arguments"),
            (ids, 400, "too_many_session_revoke_arguments"),
            (secrets, 400, "too_many_session_revoke_arguments"),
            ({"session_id": "42"}, 400, "invalid_session_id"),
            ({"session_id": unknown}, 404, "session_not_found"),
            ({"session_token": "short"}, 400, "invalid_session_token"),
            ({"session_token": UNKNOWN_TOKEN}, 404, "session_not_found"),
            ({"session_jwt": "not.a.jwt"}, 400, "unable_to_parse_session_jwt"),
        ):
            with self.subTest(error_type):
                await self.refuses("revoke", status, error_type, **fields)
        await self.authenticate(session_token=known.session_token)


@by_both_clients
class Jwks(Sessions):
    async def test_keys_have_every_field_of_the_sdk(self):
        answer = self.ok(await self.client.sessions.get_jwks(project_id=PROJECT_ID))
        self.assertTrue(answer.keys)
        for key in answer.keys:
            self.assertEqual((key.kty, key.use, key.alg, key.e), ("RSA", "sig", "RS256", "AQAB"))
            self.assertEqual(key.key_ops, ["verify"])
            self.assertTrue(key.kid.startswith("jwk-test-"))

    async def test_keys_of_another_project_are_refused(self):
        await self.refuses("get_jwks", 404, "project_not_found", project_id=OTHER_PROJECT)
        await self.refuses("get_jwks", 400, "invalid_project_id", project_id="mine")
