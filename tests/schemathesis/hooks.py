"""What no schema can say of a request that is right."""

import re
import uuid

import schemathesis

KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")
CURSOR = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]")


@schemathesis.hook
def before_call(context, case, **kwargs):
    # A key that came with another body before is refused: each request has one of its own.
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and KEY.fullmatch(key):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    # A cursor belongs to the search that gave it; of lists that may be searched, those that look
    # like the plain list's are sent to the plain list.
    query = case.query or {}
    if case.path in ("/v1/users", "/v1/invitations") and isinstance(query.get("cursor"), str):
        if "q" in query or not CURSOR.fullmatch(query["cursor"]):
            del query["cursor"]
