"""How calls of ZEGO's server API are signed: by who they are from and when, not by what they ask.

https://www.zegocloud.com/docs/digital-human (accessing server APIs), as of 2026-08-21.
The hash covers neither action nor body: what is asked is protected by TLS alone.
"""

from __future__ import annotations

import hashlib
import secrets
import time

VERSION = "2.0"


def signature(app_id: int, nonce: str, secret: str, timestamp: int) -> str:
    """The signature of a call.

    Args:
        app_id: Of the project.
        nonce: Random; the same as in the call.
        secret: The ServerSecret.
        timestamp: In seconds of the epoch; the same as in the call.
    """
    text = f"{app_id}{nonce}{secret}{timestamp}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def signed(
    app_id: int,
    secret: str,
    action: str,
    *,
    nonce: str | None = None,
    timestamp: int | None = None,
) -> dict[str, str]:
    """The parameters of a call; a new one has to be signed anew.

    Args:
        app_id: Of the project.
        secret: The ServerSecret.
        action: What is asked.
        nonce: Random where None.
        timestamp: Now where None.
    """
    nonce = secrets.token_hex(8) if nonce is None else nonce
    timestamp = int(time.time()) if timestamp is None else timestamp
    return {
        "Action": action,
        "AppId": str(app_id),
        "SignatureNonce": nonce,
        "Timestamp": str(timestamp),
        "Signature": signature(app_id, nonce, secret, timestamp),
        "SignatureVersion": VERSION,
    }
