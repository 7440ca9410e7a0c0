"""A stage with vendors in memory, for the tests of what plays on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.unit.transports.avatar.memory_vendor import MemoryVendor
from tests.unit.transports.avatar.speaking import voice
from transports.avatar.errors import AvatarError
from transports.avatar.reports import Report
from transports.avatar.stage import Stage


class Play:
    """A stage, its core and its vendors, and what came of them."""

    def __init__(
        self, vendor: MemoryVendor, stand_in: MemoryVendor | None, **options: bool
    ) -> None:
        self.vendor = vendor
        self.reports: list[Report] = []
        self.errors: list[AvatarError] = []
        self.ended = False
        self.shown: list[Mapping[str, str]] = []
        self.stage = Stage(
            vendor,
            stand_in,
            goes_on_without=options.get("goes_on_without", False),
            opens_when_watched=options.get("opens_when_watched", False),
            ready_timeout_s=15.0,
            deliver=self.deliver,
            opened=lambda session: None,
            show=self.shown.append,
            failed=self.failed,
        )
        self.core = self.stage.core

    async def deliver(self, reports: list[Report]) -> None:
        self.reports += reports

    async def failed(self, error: AvatarError, ends: bool) -> None:
        self.errors.append(error)
        self.ended = ends

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def say(self, seconds: float) -> None:
        """A whole utterance at once."""
        self.core.begin("run", now=self.now())
        self.core.audio(voice(seconds), now=self.now())
        self.core.end(now=self.now())
        self.stage.poke()


class NoLeg:
    """A user leg that nobody listens to."""

    async def speak(self, pcm: bytes, sample_rate: int, *, interruptible: bool) -> None: ...

    async def flush(self) -> None: ...

    async def tell(self, data: Mapping[str, Any]) -> None: ...


@asynccontextmanager
async def on_stage(
    vendor: MemoryVendor, stand_in: MemoryVendor | None = None, **options: bool
) -> AsyncIterator[Play]:
    """Start and close it; nothing may be left open."""
    play = Play(vendor, stand_in, **options)
    play.stage.start(NoLeg())
    try:
        yield play
    finally:
        await play.stage.aclose()
        assert vendor.open_sessions == 0, "a session was left open"
