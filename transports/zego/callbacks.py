"""What ZEGO tells a server of its own accord: who it is from, whether it is new, what it says.

https://www.zegocloud.com/docs/digital-human (server API, callbacks), as of 2026-08-21. A signature
covers the time and a nonce, and nothing of what is said: who has seen one callback could send
another with it. It does not even tell where the time ends and the nonce begins. So each signature
counts once, for as long as its time is good. And a callback may move what is known of a session,
and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import time
from collections.abc import Callable
from typing import Any

from .told import Told, Unreadable, parsed, told
from .wire import Odd

LARGEST_BODY_BYTES = 2**16
FRESH_S = 600.0
MOST_NONCES = 2**16
"""So many signatures are remembered for as long as their time is good; more are refused."""

_MILLISECONDS = 10**11  # a number of seconds is smaller until the year 5138
_SPLIT_S = 1.0  # digits of the nonce that are taken for the time's make it later by less


class CallbackRefused(Exception):
    """It is not from ZEGO, not for us, or nothing that can be read. The text quotes nobody."""


class Callbacks:
    """Reads the bodies of callbacks.

    Args:
        app_id: Of the project.
        secret: The CallbackSecret of the console, which is not the ServerSecret.
        clock: Reads the time, in seconds of the epoch.
        since: Nothing counts that was signed before: whether it has counted then, nobody knows.
    """

    def __init__(
        self,
        app_id: int,
        secret: str,
        *,
        clock: Callable[[], float] = time.time,
        since: float = -math.inf,
    ) -> None:
        if not secret:
            raise ValueError("callbacks need their secret")
        self._app_id = str(app_id)
        self._secret = secret
        self._clock = clock
        self._since = since
        self._seen: dict[str, float] = {}  # signatures, until when
        self._odd = Odd("ZEGO's callbacks")

    def read(self, body: bytes) -> Told | None:
        """What a callback says; None where it was said before, or is of no interest here.

        Raises:
            CallbackRefused
        """
        if len(body) > LARGEST_BODY_BYTES:
            raise CallbackRefused("it is too large")
        try:
            content = parsed(body)
        except Unreadable:
            raise CallbackRefused("it cannot be read") from None
        names = ("AppId", "Timestamp", "Nonce", "Signature")
        app_id, timestamp, nonce, signed = (_text(content, name) for name in names)
        if not hmac.compare_digest(
            signature(self._secret, timestamp, nonce).encode(), signed.encode()
        ):
            raise CallbackRefused("its signature is wrong")
        if app_id != self._app_id:
            raise CallbackRefused("it is of another project")
        now = self._clock()
        at = _seconds(timestamp)
        if abs(now - at) > FRESH_S or at < self._since:
            raise CallbackRefused("its time is not ours")
        if not self._is_new(signed, at, now):
            return None
        return told(content, self._odd.note)

    def _is_new(self, signed: str, at: float, now: float) -> bool:
        if signed in self._seen:
            return False
        if len(self._seen) >= MOST_NONCES:
            self._seen = {each: until for each, until in self._seen.items() if until > now}
        if len(self._seen) >= MOST_NONCES:
            raise CallbackRefused("there are too many")
        self._seen[signed] = at + FRESH_S + _SPLIT_S
        return True


def signature(secret: str, timestamp: str, nonce: str) -> str:
    """The signature of a callback; numbers as they are written there."""
    text = "".join(sorted((secret, timestamp, nonce)))
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _text(content: dict[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{1,200}", value):
        raise CallbackRefused(f"it has no {name}")
    return value


def _seconds(timestamp: str) -> float:
    if not re.fullmatch(r"[0-9]{1,16}", timestamp):
        raise CallbackRefused("it has no Timestamp")
    at = int(timestamp)
    return at / 1e3 if at >= _MILLISECONDS else float(at)
