"""What was said to the vendor, and what it said: every call, every message, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """A REST request. `name` is the operation, as faults name it; `code` is in the envelope."""

    at: float
    name: str
    method: str
    path: str
    status: int
    session: str | None
    body: Any = field(default=None, repr=False)
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A message of a client. `taken` is False where it came too early or too late to count."""

    at: float
    session: str
    kind: str
    size: int
    event_id: str | None
    audio_bytes: int
    taken: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """An event that was put on the wire."""

    at: float
    session: str
    kind: str
    message: dict[str, Any] = field(repr=False)


@dataclass(slots=True)
class Interruption:
    """An interrupt, and what it met.

    Attributes:
        unheard: Samples that were received and will not be heard now.
        late_bytes: Audio that came afterwards under an id of the speech that was cut.
        next_audio_at: When any audio came again.
    """

    at: float
    event_id: str | None
    unheard: int
    cut_ids: frozenset[str]
    late_bytes: int = 0
    next_audio_at: float | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """A control socket. `compressed` says that the client asked for permessage-deflate."""

    at: float
    session: str
    compressed: bool
    user_agent: str


@dataclass(slots=True)
class Record:
    """Everything, and a way to wait for more of it."""

    calls: list[Call] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    _waiting: set[asyncio.Future[None]] = field(default_factory=set)

    def changed(self) -> None:
        """Wakes those who wait."""
        for each in self._waiting:
            if not each.done():
                each.set_result(None)

    async def until(self, holds: Callable[[], Any], timeout_s: float = 5.0) -> None:
        """Returns when something holds that only a change of the record can bring about.

        Raises:
            TimeoutError: It never held.
        """
        async with asyncio.timeout(timeout_s):
            while not holds():
                change = asyncio.get_running_loop().create_future()
                self._waiting.add(change)
                try:
                    await change
                finally:
                    self._waiting.discard(change)
