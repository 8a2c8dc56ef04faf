"""What the cases have in common: both clients of the SDK, called alike, the sandbox's control
plane, and what a refusal must have."""

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
    """An address that no other case has."""
    return f"{name}-{next(_number)}@example.com"


def make_client(url=URL, project_id=PROJECT_ID, secret=SECRET):
    return stytch.Client(project_id=project_id, secret=secret, environment=f"{url}/")


class Calls:
    """The calls of a client, or of a part of it; each is awaited, whichever client it is."""

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
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def advance(seconds):
    control("PUT", "/sandbox/clock", {"advance_seconds": seconds})


@contextlib.contextmanager
def shifted(seconds):
    """The sandbox's clock is so much off, and then right again."""
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
    """All mail to an address, oldest first."""
    return control("GET", f"/sandbox/emails?to={urllib.parse.quote(to)}", url=url)


def token(to, url=URL):
    """The token of the last mail to an address."""
    return mails(to, url)[-1]["token"]


def part(jwt, which):
    """The header (0) or the payload (1) of a JWT, unverified."""
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
        """A client of its own, which has fetched no key yet."""
        client = make_client(**fields)
        self.clients.append(client)
        return Calls(client, self.is_async)

    async def entered(self, email=None, minutes=60, **more):
        """Somebody who has come in by a link: the SDK's whole answer."""
        email = email or address()
        await self.links.login_or_create(email=email)
        return await self.client.magic_links.authenticate(
            token=token(email), session_duration_minutes=minutes, **more
        )

    async def refused(self, call, status, error_type):
        """The SDK hands on a refusal with all that Stytch's envelope tells."""
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

    def ok(self, answer):
        """An answer that says yes."""
        self.assertEqual(answer.status_code, 200)
        self.assertTrue(answer.is_success)
        self.assertRegex(answer.request_id, f"^request-id-test-{UUID}$")
        return answer


def by_both_clients(cases):
    """Runs the cases by the blocking client and by the async one."""
    module = sys.modules[cases.__module__]
    for name, is_async in (("Blocking", False), ("Async", True)):
        fields = {"is_async": is_async, "__module__": cases.__module__}
        setattr(module, cases.__name__ + name, type(cases.__name__ + name, (cases, Case), fields))
    return cases
