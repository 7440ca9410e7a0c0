"""HeyGen's REST: one envelope for both of its services, typed errors, nothing secret in them.

Replies are `{"code", "message", "data"}`. Whether a call went well is told by the HTTP status; the
code of success differs between documentation and live service (100, 1000). What a refusal is
about is told by status, code and words together, since no list of codes is published.
"""

from __future__ import annotations

import json
from typing import Any

from ..avatar import rest
from ..avatar.errors import (
    AvatarError,
    AvatarNotFound,
    KeyRefused,
    NoCredits,
    TooManySessions,
    UnexpectedReply,
    VendorRefused,
    VendorUnreachable,
)

OLD_AVATAR = ("10003", "400014")


class Rest(rest.Rest):
    """A few calls in a row, each of which returns the reply's `data`."""

    def understand(self, status: int, content: object, retry_after: str) -> Any:
        """What is in the envelope."""
        if not 200 <= status < 300:
            raise refusal(self._vendor, status, content, retry_after)
        if not isinstance(content, dict):
            raise UnexpectedReply(self._vendor, "something that is not the JSON it should be")
        return content.get("data")


def refusal(vendor: str, status: int, content: object, retry_after: str = "") -> AvatarError:
    """The error for an answer that is not a success.

    Args:
        vendor: For its text.
        status: Of HTTP.
        content: The parsed body. It is looked at and never passed on, its code excepted.
        retry_after: The header of that name.
    """
    code = _code(content)
    words = json.dumps(content).lower() if content is not None else ""
    if status == 429:
        return rest.rate_limited(vendor, status, retry_after)
    if status >= 500:
        return VendorUnreachable(vendor, status)
    if "concurren" in words or status == 409:
        return TooManySessions(vendor, status, code)
    if status == 402 or "credit" in words or "quota" in words:
        return NoCredits(vendor, status, code)
    if status == 401:
        return KeyRefused(vendor, status, code)
    if 400 <= status < 500 and (status == 404 or code in OLD_AVATAR or "avatar" in words):
        return AvatarNotFound(vendor, status, code)
    if 400 <= status < 500:
        return VendorRefused(vendor, status, code)
    return UnexpectedReply(vendor, f"a {status}")


def _code(content: object) -> str | None:
    code = content.get("code") if isinstance(content, dict) else None
    return str(code) if isinstance(code, int) and 0 <= code < 10**9 else None
