"""What ZEGO tells a server of its own accord: who it is from, whether it is new, what it says.

https://www.zegocloud.com/docs/digital-human (server API, callbacks), as of 2026-08-21. A signature
covers the time and a nonce, and nothing of what is said: who has seen one callback could send
another with it. So each nonce counts once, for as long as its time is good. And a callback may
move what is known of a session, and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeGuard
from urllib.parse import unquote_to_bytes

from .tasks import LONGEST_ID, DriveStatus, TaskStatus

LARGEST_BODY_BYTES = 2**16
FRESH_S = 600.0
MOST_NONCES = 2**16
"""So many are remembered for as long as their time is good; more callbacks are refused."""

_MILLISECONDS = 10**11  # a number of seconds is smaller until the year 5138


class CallbackRefused(Exception):
    """It is not from ZEGO, not for us, or nothing that can be read. The text quotes nobody."""


@dataclass(frozen=True, slots=True)
class TaskTold:
    """What becomes of a task.

    Attributes:
        task: The vendor's id of it.
        status: Where it is.
    """

    task: str
    status: TaskStatus


@dataclass(frozen=True, slots=True)
class DriveTold:
    """How a drive of a task goes.

    Attributes:
        task: The vendor's id of it.
        drive: The vendor's id of the drive.
        status: Where that is.
    """

    task: str
    drive: str
    status: DriveStatus


class Callbacks:
    """Reads the bodies of callbacks.

    Args:
        app_id: Of the project.
        secret: The CallbackSecret of the console, which is not the ServerSecret.
        clock: Reads the time, in seconds of the epoch.
    """

    def __init__(self, app_id: int, secret: str, *, clock: Callable[[], float] = time.time) -> None:
        if not secret:
            raise ValueError("callbacks need their secret")
        self._app_id = str(app_id)
        self._secret = secret
        self._clock = clock
        self._nonces: dict[str, float] = {}  # until when

    def read(self, body: bytes) -> TaskTold | DriveTold | None:
        """What a callback says; None where it was said before, or is of no interest here.

        Raises:
            CallbackRefused
        """
        content = _parsed(body)
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
        if abs(now - at) > FRESH_S:
            raise CallbackRefused("its time is not ours")
        if not self._is_new(nonce, at, now):
            return None
        return _told(content)

    def _is_new(self, nonce: str, at: float, now: float) -> bool:
        if nonce in self._nonces:
            return False
        if len(self._nonces) >= MOST_NONCES:
            self._nonces = {each: until for each, until in self._nonces.items() if until >= now}
        if len(self._nonces) >= MOST_NONCES:
            raise CallbackRefused("there are too many")
        self._nonces[nonce] = at + FRESH_S
        return True


def signature(secret: str, timestamp: str, nonce: str) -> str:
    """The signature of a callback; numbers as they are written there."""
    text = "".join(sorted((secret, timestamp, nonce)))
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class _Number(str):
    """As it was written: what is signed is its text, and it may be larger than others can read."""


def _parsed(body: bytes) -> dict[str, Any]:
    if len(body) > LARGEST_BODY_BYTES:
        raise CallbackRefused("it is too large")
    for text in (body, unquote_to_bytes(body)):
        try:
            content = json.loads(text, parse_int=_Number, parse_float=_Number)
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            return content
    raise CallbackRefused("it cannot be read")


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


def _told(content: dict[str, Any]) -> TaskTold | DriveTold | None:
    task, detail = content.get("TaskId"), content.get("Detail")
    if not _is_id(task) or not isinstance(detail, dict):
        return None
    status = detail.get("Status")
    if not isinstance(status, str) or not re.fullmatch(r"[1-5]", status):
        return None
    match str(content.get("EventType")):
        case "3":
            return TaskTold(task, TaskStatus(int(status)))
        case "4" if _is_id(drive := detail.get("DriveId")):
            return DriveTold(task, drive, DriveStatus(int(status)))
        case _:
            return None


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID
