"""How requests to the vendor are signed, and its own requests to a back end."""

from __future__ import annotations

import hashlib


def of_request(app_id: str, nonce: str, secret: str, timestamp: str) -> str:
    """Returns the `Signature` of a request: it covers neither action nor body."""
    text = f"{app_id}{nonce}{secret}{timestamp}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def of_callback(secret: str, timestamp: str, nonce: str) -> str:
    """Returns the `Signature` of a callback: of the three texts in their order as texts."""
    text = "".join(sorted((secret, timestamp, nonce)))
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
