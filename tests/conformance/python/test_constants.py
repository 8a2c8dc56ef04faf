"""The fixed test values of Stytch's test environment."""

from support import by_both_clients, mails

EMAIL = "sandbox@stytch.com"
USER_ID = "user-test-e3795c81-f849-4167-bfda-e4a6e9c280fd"
TOKEN = "DOYoip3rvIMMW5lgItikFK-Ak1CfMsgjuiCyI7uuU94="
USED_TOKEN = "3pzjQpgksDlGKWEwUq2Up--hCHC_0oamfLHyfspKDFU="
UNKNOWN_TOKEN = "CprTtwhnRNiMBiUS2jSLcWYrfuO2POeBNdo5HhW6qTM="
SESSION_TOKEN = "WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY"
OTHER_SESSION_TOKEN = "59cnLELtq5cFVS6uYK9f-pAWzBkhqZl8AvLhbhOvKNWw"
SESSION_ID = "session-test-eb94233f-8800-4ebd-8645-51dc15f9d028"


@by_both_clients
class TestValues:
    async def test_the_test_address_receives_no_mail(self):
        for name in ("send", "login_or_create", "invite", "invite"):
            answer = self.ok(await getattr(self.links, name)(email=EMAIL))
            self.assertEqual(answer.user_id, USER_ID)
        self.ok(await self.links.revoke_invite(email=EMAIL))
        self.assertEqual(mails(EMAIL), [])

    async def test_the_valid_token_works_repeatedly(self):
        authenticate = self.client.magic_links.authenticate
        for _ in range(2):
            answer = self.ok(await authenticate(token=TOKEN))
            self.assertEqual(answer.user_id, USER_ID)
            self.assertEqual(answer.user.emails[0].email, EMAIL)
            self.assertEqual((answer.session, answer.session_token), (None, ""))
        answer = self.ok(await authenticate(token=TOKEN, session_duration_minutes=60))
        (factor,) = answer.session.authentication_factors
        self.assertEqual(factor.email_factor.email_address, EMAIL)
        self.assertEqual(answer.session_token, SESSION_TOKEN)

    async def test_the_other_tokens_are_refused(self):
        call = self.client.magic_links.authenticate(token=USED_TOKEN)
        await self.refused(call, 401, "unable_to_auth_magic_link")
        call = self.client.magic_links.authenticate(token=UNKNOWN_TOKEN)
        await self.refused(call, 404, "magic_link_not_found")

    async def test_the_valid_session_stays_active(self):
        sessions = self.client.sessions
        first = self.ok(await sessions.authenticate(session_token=SESSION_TOKEN))
        self.assertEqual(first.session_token, SESSION_TOKEN)
        self.assertEqual(first.session.session_id, SESSION_ID)
        started = first.session.started_at.isoformat()
        self.assertTrue(started.startswith("2021-08-28T00:41:58"), started)
        self.assertEqual(first.user.user_id, USER_ID)
        given = {"session_jwt": first.session_jwt, "session_duration_minutes": 30}
        self.ok(await sessions.authenticate(**given))
        local = await sessions.authenticate_jwt_local(session_jwt=first.session_jwt)
        self.assertEqual(local.user_id, USER_ID)
        self.ok(await sessions.revoke(session_id=SESSION_ID))
        self.ok(await sessions.authenticate(session_token=SESSION_TOKEN))

    async def test_the_other_session_is_not_found(self):
        call = self.client.sessions.authenticate(session_token=OTHER_SESSION_TOKEN)
        await self.refused(call, 404, "session_not_found")

    async def test_the_test_user_is_not_stored(self):
        await self.refused(self.client.sessions.get(user_id=USER_ID), 404, "user_not_found")
        await self.refused(self.client.users.get(user_id=USER_ID), 404, "user_not_found")
