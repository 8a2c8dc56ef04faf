"""Errors of every call: credentials, routes, and injected faults."""

import aiohttp
import requests

from support import OTHER_PROJECT, PROJECT_ID, address, by_both_clients, fault, mails, token

TOKEN = "A" * 44

# Every call that needs credentials.
CALLS = {
    "invite": lambda by: by.magic_links.email.invite(email=address()),
    "revoke_invite": lambda by: by.magic_links.email.revoke_invite(email=address()),
    "login_or_create": lambda by: by.magic_links.email.login_or_create(email=address()),
    "send": lambda by: by.magic_links.email.send(email=address()),
    "magic_links.authenticate": lambda by: by.magic_links.authenticate(token=TOKEN),
    "sessions.get": lambda by: by.sessions.get(user_id="x"),
    "sessions.authenticate": lambda by: by.sessions.authenticate(session_token=TOKEN),
    "sessions.revoke": lambda by: by.sessions.revoke(session_token=TOKEN),
    "users.create": lambda by: by.users.create(email=address()),
    "users.get": lambda by: by.users.get(user_id="x"),
    "users.search": lambda by: by.users.search(),
    "users.update": lambda by: by.users.update(user_id="x"),
    "users.delete": lambda by: by.users.delete(user_id="x"),
    "users.delete_email": lambda by: by.users.delete_email(email_id="x"),
    "users.delete_external_id": lambda by: by.users.delete_external_id(user_id="x"),
    "debug.whoami": lambda by: by.debug.whoami(),
}


@by_both_clients
class Credentials:
    async def test_valid_credentials_return_the_project(self):
        self.assertEqual(self.ok(await self.client.debug.whoami()).project_id, PROJECT_ID)

    async def test_invalid_credentials_are_refused_by_every_call(self):
        wrong_secret = self.client_of(secret="secret-test-of-somebody-else=")
        other = self.client_of(project_id=OTHER_PROJECT)
        malformed = self.client_of(project_id="my-project")
        for name, call in CALLS.items():
            with self.subTest(name):
                await self.refused(call(wrong_secret), 401, "unauthorized_credentials")
                await self.refused(call(other), 401, "unauthorized_credentials")
                await self.refused(call(malformed), 400, "invalid_project_id_authentication")


@by_both_clients
class NotThere:
    async def test_an_unsupported_call_is_route_not_found(self):
        call = self.client.passwords.create(email=address(), password="x")
        await self.refused(call, 404, "route_not_found")
        await self.refused(self.client.otps.email.send(email=address()), 404, "route_not_found")


@by_both_clients
class Faults:
    async def test_a_fault_is_decoded_for_every_call(self):
        for name, call in CALLS.items():
            for status, error_type in (
                (429, "too_many_requests"),
                (500, "internal_server_error"),
                (502, "internal_server_error"),
                (503, "server_unavailable"),
            ):
                with self.subTest(name, status=status), fault(status=status):
                    await self.refused(call(self.client), status, error_type)

    async def test_a_fault_has_the_given_message(self):
        with fault(status=403, error_type="email_in_denylist", retry_after_seconds=1):
            await self.refused(CALLS["invite"](self.client), 403, "email_in_denylist")

    async def test_a_fault_expires_and_has_no_effect(self):
        email = address()
        with fault(status=500, times=2, path="/v1/magic_links"):
            for _ in range(2):
                await self.refused(self.links.invite(email=email), 500, "internal_server_error")
            self.ok(await self.links.invite(email=email))
        self.assertEqual(len(mails(email)), 1)

    @property
    def connection_error(self):
        return aiohttp.ClientError if self.is_async else requests.ConnectionError

    async def test_a_dropped_connection_is_a_transport_error(self):
        with fault(down=True), self.assertRaises(self.connection_error):
            await self.client.users.search()
        self.ok(await self.client.users.search())

    async def test_a_lost_response_has_an_effect(self):
        email = address()
        with fault(lose_answer=True), self.assertRaises(self.connection_error):
            await self.links.invite(email=email)
        self.ok(await self.client.magic_links.authenticate(token=token(email)))

    async def test_a_delayed_response_arrives(self):
        with fault(latency_ms=50):
            self.ok(await self.client.users.search())
