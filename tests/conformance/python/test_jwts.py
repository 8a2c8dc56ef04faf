"""Local verification of JWTs by the SDK, with the machine's clock. An older JWT is created by
setting the sandbox's clock back."""

import base64
import json

import jwt as pyjwt
from support import PROJECT_ID, by_both_clients, control, fault, part, shifted

SESSION = "https://stytch.com/session"


@by_both_clients
class Jwt:
    async def local(self, jwt, **fields):
        return await self.client.sessions.authenticate_jwt_local(session_jwt=jwt, **fields)

    async def remote(self, jwt, **fields):
        return await self.client.sessions.authenticate_jwt(session_jwt=jwt, **fields)

    async def test_a_jwt_has_stytchs_claims(self):
        answer = await self.entered(session_custom_claims={"plan": "pro"})
        header, claims = part(answer.session_jwt, 0), part(answer.session_jwt, 1)
        self.assertEqual((header["alg"], header["typ"]), ("RS256", "JWT"))
        times = [claims.pop(name) for name in ("iat", "nbf", "exp")]
        self.assertEqual([time - times[0] for time in times], [0, 0, 300])
        session = claims.pop(SESSION)
        self.assertEqual(
            claims,
            {
                "aud": [PROJECT_ID],
                "iss": f"stytch.com/{PROJECT_ID}",
                "sub": answer.user_id,
                "plan": "pro",
            },
        )
        self.assertEqual(session["id"], answer.session.session_id)
        self.assertEqual(session["roles"], answer.session.roles)

    async def test_a_jwt_verifies_locally_and_contains_the_session(self):
        answer = await self.entered(session_custom_claims={"plan": {"seats": 3}})
        self.assertEqual(await self.local(answer.session_jwt), answer.session)

    async def test_a_jwt_verifies_without_a_call(self):
        answer = await self.entered()
        await self.local(answer.session_jwt)  # has the keys now
        with fault(down=True):
            same = await self.remote(answer.session_jwt)
        self.assertEqual(same.session_jwt, answer.session_jwt)
        self.assertEqual(same.session, answer.session)

    async def test_a_forged_jwt_is_refused(self):
        answer = await self.entered()
        head, body, signature = answer.session_jwt.split(".")
        claims = json.dumps({**part(answer.session_jwt, 1), "sub": "me"}).encode()
        forged = f"{head}.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.{signature}"
        for jwt in (forged, f"{head}.{body}."):
            self.assertIsNone(await self.local(jwt))
        await self.refused(self.remote(forged), 400, "unable_to_parse_session_jwt")
        with self.assertRaises(pyjwt.PyJWTError):  # the SDK does not get as far as to verify it
            await self.local("not.a.jwt")

    async def test_an_expired_jwt_is_refused_locally_and_refreshed_remotely(self):
        with shifted(-400):
            old = await self.entered()
        self.assertIsNone(await self.local(old.session_jwt))
        self.assertEqual((await self.local(old.session_jwt, leeway=500)), old.session)
        fresh = self.ok(await self.remote(old.session_jwt))
        self.assertNotEqual(fresh.session_jwt, old.session_jwt)
        self.assertEqual(fresh.session.session_id, old.session.session_id)
        self.assertEqual(await self.local(fresh.session_jwt), fresh.session)

    async def test_a_jwt_from_a_fast_clock_is_refused_locally(self):
        with shifted(120):
            early = await self.entered()
        self.assertIsNone(await self.local(early.session_jwt))
        self.assertEqual(await self.local(early.session_jwt, leeway=130), early.session)

    async def test_a_jwt_older_than_allowed_is_refused_locally_and_refreshed_remotely(self):
        with shifted(-100):
            old = await self.entered()
        self.assertIsNotNone(await self.local(old.session_jwt, max_token_age_seconds=200))
        young = await self.remote(old.session_jwt, max_token_age_seconds=200)
        self.assertEqual(young.session_jwt, old.session_jwt)
        for age in (60, 0):
            self.assertIsNone(await self.local(old.session_jwt, max_token_age_seconds=age))
            fresh = self.ok(await self.remote(old.session_jwt, max_token_age_seconds=age))
            self.assertNotEqual(fresh.session_jwt, old.session_jwt)

    async def test_a_refreshed_jwt_has_the_new_claims(self):
        answer = await self.entered()
        fresh = await self.remote(
            answer.session_jwt, max_token_age_seconds=0, session_custom_claims={"plan": "pro"}
        )
        self.assertEqual((await self.local(fresh.session_jwt)).custom_claims, {"plan": "pro"})

    async def test_a_revoked_sessions_jwt_verifies_locally_only(self):
        answer = await self.entered()
        await self.client.sessions.revoke(session_token=answer.session_token)
        self.assertIsNotNone(await self.local(answer.session_jwt))
        call = self.remote(answer.session_jwt, max_token_age_seconds=0)
        await self.refused(call, 404, "session_not_found")

    async def test_a_deleted_users_jwt_verifies_locally_only(self):
        answer = await self.entered()
        await self.client.users.delete(user_id=answer.user_id)
        self.assertIsNotNone(await self.local(answer.session_jwt))
        for field in ("session_token", "session_jwt"):
            call = self.client.sessions.authenticate(**{field: getattr(answer, field)})
            await self.refused(call, 404, "session_not_found")

    async def test_jwts_of_both_keys_verify_after_a_rotation(self):
        before = await self.entered()
        control("POST", "/sandbox/jwks/rotate")
        after = await self.entered()
        kids = {part(answer.session_jwt, 0)["kid"] for answer in (before, after)}
        self.assertEqual(len(kids), 2)
        # Another client is needed, because cached keys are used for some minutes.
        sessions = self.client_of().sessions
        for answer in (after, before):
            local = await sessions.authenticate_jwt_local(session_jwt=answer.session_jwt)
            self.assertEqual(local, answer.session)
            self.ok(await self.client.sessions.authenticate(session_jwt=answer.session_jwt))

    async def test_an_unavailable_key_is_an_error(self):
        answer = await self.entered()
        with fault(status=500, path="/v1/sessions/jwks"):
            with self.assertRaises(pyjwt.PyJWKClientError):
                await self.local(answer.session_jwt)
        self.assertIsNotNone(await self.local(answer.session_jwt))
