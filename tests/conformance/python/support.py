"""The SDK's clients, the sandbox's control API, and shared assertions."""

import base64
import contextlib
import itertools
import json
import os
import sys
import unittest
import urllib.parse
import urllib.request

import stytch
from stytch.core.response_base import StytchError

URL = os.environ["STYTCH_URL"]
STRICT_URL = os.environ["STYTCH_STRICT_URL"]
PROJECT_ID = os.environ["STYTCH_PROJECT_ID"]
SECRET = os.environ["STYTCH_SECRET"]
REDIRECT = "http://localhost:3000/authenticate"
OTHER_PROJECT = "project-test-00000000-0000-4000-8000-00000000ffff"
UNKNOWN_USER = "user-test-00000000-0000-4000-8000-000000000000"
UNKNOWN_TOKEN = "B" * 44
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

_number = itertools.count(1)


def address(name="ada"):
    """Returns a unique address."""
    return f"{name}-{next(_number)}@example.com"


def make_client(url=URL, project_id=PROJECT_ID, secret=SECRET):
    return stytch.Client(project_id=project_id, secret=secret, environment=f"{url}/")


class Calls:
    """The calls of a client or of a part of it, as coroutines for both the blocking and the async client."""

    def __init__(self, of, is_async):
        self._of, self._is_async = of, is_async

    def __getattr__(self, name):
        found = getattr(self._of, name)
        if not callable(found):
            return Calls(found, self._is_async)
        if self._is_async:
            return getattr(self._of, f"{name}_async")

        async def call(**fields):
            return found(**fields)

        return call


def control(method, path, body=None, url=URL):
    data = None if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"content-type": "application/json"}
    request = urllib.request.Request(url + path, data=data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


def advance(seconds):
    control("PUT", "/sandbox/clock", {"advance_seconds": seconds})


@contextlib.contextmanager
def shifted(seconds):
    """Shifts the sandbox's clock within the block."""
    advance(seconds)
    try:
        yield
    finally:
        advance(-seconds)


@contextlib.contextmanager
def fault(**fields):
    control("PUT", "/sandbox/faults", fields)
    try:
        yield
    finally:
        control("PUT", "/sandbox/faults", {})


def mails(to, url=URL):
    """Returns all mail to an address, oldest first."""
    return control("GET", f"/sandbox/emails?to={urllib.parse.quote(to)}", url=url)


def token(to, url=URL):
    """Returns the token of the latest mail to an address."""
    return mails(to, url)[-1]["token"]


def part(jwt, which):
    """Decodes the header (0) or the payload (1) of a JWT without verification."""
    text = jwt.split(".")[which]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def seconds(start, end):
    return (end - start).total_seconds()


class Case(unittest.IsolatedAsyncioTestCase):
    is_async = False

    async def asyncSetUp(self):
        self.clients = []
        advance(-control("GET", "/sandbox/clock")["offset_seconds"])
        self.client = self.client_of()
        self.links = self.client.magic_links.email

    async def asyncTearDown(self):
        for client in self.clients:
            await client.close()

    def client_of(self, **fields):
        """Returns a new client, without cached keys."""
        client = make_client(**fields)
        self.clients.append(client)
        return Calls(client, self.is_async)

    async def entered(self, email=None, minutes=60, **more):
        """Authenticates a link of an address, and returns the SDK's response."""
        email = email or address()
        await self.links.login_or_create(email=email)
        return await self.client.magic_links.authenticate(
            token=token(email), session_duration_minutes=minutes, **more
        )

    async def refused(self, call, status, error_type):
        """Asserts that the SDK raises an error with every member of Stytch's error envelope."""
        with self.assertRaises(StytchError) as raised:
            await call
        details = raised.exception.details
        self.assertEqual((details.status_code, details.error_type), (status, error_type))
        self.assertRegex(details.request_id, f"^request-id-test-{UUID}$")
        self.assertTrue(details.error_message)
        url = f"https://stytch.com/docs/api/errors/{status}#{error_type}"
        self.assertEqual(details.error_url, url)
        self.assertEqual(details.original_json["status_code"], status)
        return details

    def ok(self, response):
        """Asserts that a call succeeded."""
        self.assertEqual(response.status_code, 200)
        self.assertTrue(response.is_success)
        self.assertRegex(response.request_id, f"^request-id-test-{UUID}$")
        return response


def by_both_clients(cases):
    """Runs the cases with the blocking and with the async client."""
    module = sys.modules[cases.__module__]
    for name, is_async in (("Blocking", False), ("Async", True)):
        fields = {"is_async": is_async, "__module__": cases.__module__}
        setattr(module, cases.__name__ + name, type(cases.__name__ + name, (cases, Case), fields))
    return cases
