"""Constraints on valid requests that a schema can't express."""

import re
import uuid

import schemathesis

KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")
CURSOR = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]")


@schemathesis.hook
def before_call(context, case, **kwargs):
    # A key that was used with another body is refused, so each request has a unique one.
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and KEY.fullmatch(key):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    # A cursor is valid only for the query that returned it. Generated ones are kept if they have the
    # format of the list without a search, and the request has no search.
    query = case.query or {}
    if case.path in ("/v1/users", "/v1/invitations") and isinstance(query.get("cursor"), str):
        if "q" in query or not CURSOR.fullmatch(query["cursor"]):
            del query["cursor"]
