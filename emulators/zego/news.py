"""What the vendor tells by itself: signed callbacks, tried again, and messages in the RTC room."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import aiohttp

from ..record import Record, Sent
from ..weather import About, arrivals
from . import signature
from .knobs import Knobs

_PATIENCE = aiohttp.ClientTimeout(total=5)

NOTICE = 1
ANSWER = 22
"""`msgType` of a room message: it tells something, or answers what was asked there."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try of a callback. `status` is 0 where nobody answered."""

    at: float
    session: str
    attempt: int
    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RoomMessage:
    """What everybody in a room receives, as the web SDK hands it over."""

    at: float
    room: str
    sender: str
    type: int
    content: str


class News:
    """Both ways of the vendor to tell something.

    Attributes:
        deliveries: Every try of every callback.
        messages: Every room message.
        listeners: Told of each room message, at once.
    """

    def __init__(
        self,
        knobs: Callable[[], Knobs],
        random: Random,
        record: Record,
        http: aiohttp.ClientSession,
    ) -> None:
        self.deliveries: list[Delivery] = []
        self.messages: list[RoomMessage] = []
        self.listeners: list[Callable[[RoomMessage], None]] = []
        self._knobs = knobs
        self._random = random
        self._record = record
        self._http = http
        self._closed = False
        self._posting: set[asyncio.Task[None]] = set()

    def call(
        self, session: str, kind: str, body: dict[str, Any], stamp: str | int, about: About
    ) -> None:
        """Posts an event to the back end, signed; `stamp` is its Timestamp."""
        self._note(session, kind, body)
        if self._closed or not self._knobs().callback_url:
            return
        for delay_s in arrivals(about, self._knobs(), self._random):
            posting = asyncio.create_task(self._post(session, body, stamp, delay_s))
            self._posting.add(posting)
            posting.add_done_callback(self._posting.discard)

    def say(self, room: str, sender: str, content: dict[str, Any], about: About) -> None:
        """Sends a message into a room."""
        for delay_s in arrivals(about, self._knobs(), self._random):
            text = json.dumps(content, separators=(",", ":"))
            loop = asyncio.get_running_loop()
            if delay_s:
                loop.call_later(delay_s, self._heard, room, sender, text)
            else:
                loop.call_soon(self._heard, room, sender, text)

    def answer(self, room: str, sender: str, content: dict[str, Any]) -> None:
        """Answers what somebody sent into a room."""
        text = json.dumps(content, separators=(",", ":"))
        asyncio.get_running_loop().call_soon(self._heard, room, sender, text, ANSWER)

    async def aclose(self) -> None:
        """What is not delivered is lost."""
        self._closed = True
        for each in self._posting:
            each.cancel()
        if self._posting:
            await asyncio.wait(self._posting)

    def signed(self, body: dict[str, Any], stamp: str | int) -> dict[str, Any]:
        """Returns the body of a callback with its signature."""
        nonce = str(self._random.getrandbits(63))
        signed = signature.of_callback(self.secret, str(stamp), nonce)
        return {**body, "Nonce": nonce, "Timestamp": stamp, "Signature": signed}

    @property
    def secret(self) -> str:
        knobs = self._knobs()
        return f"{knobs.secret_prefix}{knobs.callback_secret}"

    async def _post(
        self, session: str, body: dict[str, Any], stamp: str | int, delay_s: float
    ) -> None:
        await asyncio.sleep(delay_s)
        knobs, wait_s = self._knobs(), self._knobs().callback_wait_s
        signed = self.signed(body, stamp)
        for attempt in range(1, knobs.callback_tries + 1):
            status = await self._try(knobs.callback_url, signed)
            now = asyncio.get_running_loop().time()
            self.deliveries.append(Delivery(now, session, attempt, status, signed))
            self._record.changed()
            if 200 <= status < 300:
                return
            await asyncio.sleep(wait_s)
            wait_s *= 2
            if knobs.callback_retry == "signed anew":
                signed = self.signed(body, stamp)

    async def _try(self, url: str, body: dict[str, Any]) -> int:
        try:
            async with self._http.post(url, json=body, timeout=_PATIENCE) as reply:
                return reply.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    def _heard(self, room: str, sender: str, text: str, kind: int = NOTICE) -> None:
        message = RoomMessage(asyncio.get_running_loop().time(), room, sender, kind, text)
        self.messages.append(message)
        for each in self.listeners:
            each(message)
        self._record.changed()

    def _note(self, session: str, kind: str, body: dict[str, Any]) -> None:
        now = asyncio.get_running_loop().time()
        self._record.sent.append(Sent(now, session, kind, body))
        self._record.changed()


def milliseconds() -> int:
    """Returns the time of day as it is told."""
    return time.time_ns() // 1_000_000
