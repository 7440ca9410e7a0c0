"""Moves the core on in time, and delivers what it reports."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from .core import SpeechCore
from .errors import AvatarError
from .reports import Report


class SpeechClock:
    """The only one who sleeps until the core has something to do.

    Args:
        core: Whoever feeds it then calls `poke`.
        deliver: Awaited with the core's reports, in order, never twice at the same time.
        wake: Called when a leg may have something to be told.
        failed: Awaited if this breaks.
    """

    def __init__(
        self,
        core: SpeechCore,
        *,
        deliver: Callable[[list[Report]], Awaitable[None]],
        wake: Callable[[], None],
        failed: Callable[[AvatarError], Awaitable[None]],
    ) -> None:
        self._core = core
        self._deliver = deliver
        self._wake = wake
        self._failed = failed
        self._task: asyncio.Task[None] | None = None
        self._delivery = asyncio.Lock()
        self._wakes = asyncio.Event()
        self._is_quiet = asyncio.Event()
        self._sleeps_until = float("-inf")

    def start(self) -> None:
        """Run in a task of its own."""
        self._task = asyncio.create_task(self._own(), name="avatar clock")

    async def aclose(self) -> None:
        """Stop, and wait until it has stopped."""
        self._is_quiet.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def poke(self) -> None:
        """The core was told something: wake who has to do something about it."""
        self._wake()
        due = self._core.due(now=self._now())
        if self._core.has_reports or (due is not None and due < self._sleeps_until):
            self._wakes.set()

    async def flush(self) -> None:
        """Deliver the core's reports now; what was taken before is delivered first."""
        async with self._delivery:
            if reports := self._core.take_reports():
                await self._deliver(reports)
        if self._core.quiet:
            self._is_quiet.set()
        else:
            self._is_quiet.clear()

    async def play_out(self, *, grace_s: float) -> None:
        """Wait until all speech was heard, or for as long as it lasts and `grace_s` more."""
        await self.flush()
        try:
            async with asyncio.timeout(self._core.unheard_s(now=self._now()) + grace_s):
                await self._is_quiet.wait()
        except TimeoutError:
            return

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _own(self) -> None:
        try:
            await self._run()
        except Exception:
            await self._failed(AvatarError("the clock of the speech broke"))
            raise

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wakes.clear()
            self._core.advance(now=loop.time())
            self._wake()
            if self._core.has_reports or self._core.quiet:
                await self.flush()
            due = self._core.due(now=loop.time())
            self._sleeps_until = float("inf") if due is None else due
            # Not `asyncio.timeout`: it ends a wait by an exception, twenty-five times a second.
            alarm = loop.call_at(due, self._wakes.set) if due is not None else None
            await self._wakes.wait()
            if alarm is not None:
                alarm.cancel()
