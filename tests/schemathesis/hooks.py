"""A key that came with another body before is refused, rightly: each request has one of its own."""

import re
import uuid

import schemathesis

KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")


@schemathesis.hook
def before_call(context, case, **kwargs):
    given = (case.headers or {}).get("Idempotency-Key")
    if isinstance(given, str) and KEY.fullmatch(given):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
