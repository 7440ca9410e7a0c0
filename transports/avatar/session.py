"""Runs one vendor session: opens it, dials, writes, reads, keeps it alive, closes it.

One owner task, whose life is one exit stack: whatever was opened is closed on every way out. The
writer is the only one who sends; the clock is the only one who sleeps. The core decides what is
said, the session never holds a command of its own, so an interrupt overtakes by being first in the
core's outbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from enum import Enum, auto

from loguru import logger

from .commands import KeepAlive
from .core import SpeechCore
from .errors import AvatarError, ConnectionLost, NeverReady
from .reports import Report
from .undo import finish
from .vendor import Opened, Socket, Vendor, Wire, short

CLOSE_TIMEOUT_S = 5.0


class Phase(Enum):
    """The life of a session."""

    NEW = auto()
    LIVE = auto()
    OVER = auto()


class AvatarSession:
    """One session at a vendor.

    Args:
        vendor: Who renders the face.
        core: Who decides what it is told; the caller feeds it and then calls `poke`.
        deliver: Awaited with the core's reports, in order, never twice at the same time.
        failed: Awaited once when the session ends by an error.
        ready_timeout_s: How long the vendor may take until it can be told anything, in seconds.
    """

    def __init__(
        self,
        vendor: Vendor,
        core: SpeechCore,
        *,
        deliver: Callable[[list[Report]], Awaitable[None]],
        failed: Callable[[AvatarError], Awaitable[None]],
        ready_timeout_s: float = 15.0,
    ) -> None:
        self._vendor = vendor
        self._core = core
        self._deliver = deliver
        self._failed = failed
        self._ready_timeout_s = ready_timeout_s
        self._phase = Phase.NEW
        self._task: asyncio.Task[None] | None = None
        self._delivery = asyncio.Lock()
        self._clock_wakes = asyncio.Event()
        self._writer_wakes = asyncio.Event()
        self._is_ready = asyncio.Event()
        self._is_quiet = asyncio.Event()
        self._sleeps_until = float("-inf")
        self._sent_at = 0.0

    def start(self) -> None:
        """Open in a task of its own; returns at once."""
        self._phase = Phase.LIVE
        self._task = asyncio.create_task(self._own(), name=f"{self._vendor.name} session")

    def poke(self) -> None:
        """The core was told something: wake who has to do something about it."""
        if self._core.has_commands:
            self._writer_wakes.set()
        due = self._core.due(now=self._now())
        if self._core.has_reports or (due is not None and due < self._sleeps_until):
            self._clock_wakes.set()

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
        if self._phase is not Phase.LIVE:
            return
        await self.flush()
        try:
            async with asyncio.timeout(self._core.unheard_s(now=self._now()) + grace_s):
                await self._is_quiet.wait()
        except TimeoutError:
            return

    async def aclose(self) -> None:
        """Close now, and wait until what was opened is closed."""
        self._core.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _own(self) -> None:
        try:
            await self._live()
        except* AvatarError as group:
            await self._fail(_first(group))
        except* Exception:
            await self._fail(AvatarError(f"the {self._vendor.name} session broke"))
            raise
        finally:
            self._phase = Phase.OVER
            self._is_quiet.set()

    async def _fail(self, error: AvatarError) -> None:
        self._core.close()
        self._core.interrupt(now=self._now())
        await self.flush()
        await self._failed(error)

    async def _live(self) -> None:
        ready_by = self._now() + self._ready_timeout_s
        async with AsyncExitStack() as stack:
            async with self._in_time(ready_by):
                opened = await self._vendor.open()
                stack.push_async_callback(self._close, opened)
                socket = await stack.enter_async_context(self._vendor.dial(opened))
            wire = self._vendor.wire()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(socket, wire), name="avatar read")
                tasks.create_task(self._write(socket, wire), name="avatar write")
                tasks.create_task(self._clock(), name="avatar clock")
                tasks.create_task(self._until_ready(ready_by), name="avatar ready")
                if self._vendor.profile.keep_alive_s is not None:
                    period_s = self._vendor.profile.keep_alive_s
                    tasks.create_task(self._keep_alive(socket, wire, period_s), name="avatar alive")

    @asynccontextmanager
    async def _in_time(self, ready_by: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(ready_by):
                yield
        except TimeoutError:
            raise NeverReady(self._vendor.name, self._ready_timeout_s) from None

    async def _until_ready(self, ready_by: float) -> None:
        async with self._in_time(ready_by):
            await self._is_ready.wait()

    async def _close(self, opened: Opened) -> None:
        try:
            await finish(self._vendor.close(opened), within_s=CLOSE_TIMEOUT_S)
        except (AvatarError, TimeoutError) as error:
            # Not an error of the conversation, which is over; who pays has to know of it.
            name = f"{self._vendor.name} session {short(opened.id)}"
            logger.warning(f"{name} could not be stopped and may still run: {error or 'no answer'}")

    async def _read(self, socket: Socket, wire: Wire) -> None:
        self._look_ready(wire)
        async for message in socket:
            for event in wire.decode(message):
                self._core.receive(event, now=self._now())
            if wire.over:
                break
            self._look_ready(wire)
            self.poke()
        raise ConnectionLost(self._vendor.name)

    def _look_ready(self, wire: Wire) -> None:
        if wire.ready and not self._is_ready.is_set():
            self._is_ready.set()
            self._core.ready(now=self._now())
            self.poke()

    async def _write(self, socket: Socket, wire: Wire) -> None:
        while True:
            await self._writer_wakes.wait()
            self._writer_wakes.clear()
            while (command := self._core.next_command()) is not None:
                for message in wire.encode(command):
                    await socket.send(message)
                    self._sent_at = self._now()

    async def _clock(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._clock_wakes.clear()
            self._core.advance(now=loop.time())
            if self._core.has_commands:
                self._writer_wakes.set()
            if self._core.has_reports or self._core.quiet:
                await self.flush()
            due = self._core.due(now=loop.time())
            self._sleeps_until = float("inf") if due is None else due
            # Not `asyncio.timeout`: it ends a wait by an exception, twenty-five times a second.
            alarm = loop.call_at(due, self._clock_wakes.set) if due is not None else None
            await self._clock_wakes.wait()
            if alarm is not None:
                alarm.cancel()

    async def _keep_alive(self, socket: Socket, wire: Wire, period_s: float) -> None:
        self._sent_at = self._now()
        while True:
            now = self._now()
            if now >= self._sent_at + period_s:
                for message in wire.encode(KeepAlive(0)):
                    await socket.send(message)
                self._sent_at = now
            await asyncio.sleep(self._sent_at + period_s - now)


def _first(group: BaseExceptionGroup[AvatarError]) -> AvatarError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, AvatarError)
    return error
