"""Runs one vendor session: opens it, dials, writes, reads, keeps it alive, closes it.

One owner task, whose life is one exit stack: whatever was opened is closed on every way out. The
writer is the only one who sends. The core decides what is said, the session never holds a command
of its own, so an interrupt overtakes by being first in the leg's outbox; a vendor who does not read
holds up no interrupt.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

from loguru import logger

from .commands import KeepAlive
from .core import SpeechCore
from .errors import AvatarError, ConnectionLost, EndedByVendor, Ending, NeverReady
from .leg import Leg
from .undo import finish
from .vendor import Opened, Socket, Vendor, Wire, short

CLOSE_TIMEOUT_S = 5.0


class SessionOwner(Protocol):
    """Who is told what becomes of a session."""

    def poke(self) -> None:
        """The core was told something by the vendor."""

    def opened(self, session: AvatarSession, as_what: Opened) -> None:
        """It exists at the vendor."""

    def ready(self, session: AvatarSession) -> None:
        """It can be told things."""

    async def failed(self, session: AvatarSession, error: AvatarError) -> None:
        """It has ended by an error; awaited once."""


class AvatarSession:
    """One session at a vendor.

    Args:
        vendor: Who renders the face.
        core: Who decides what it is told; the caller feeds it.
        owner: Is told what becomes of the session.
        ready_timeout_s: How long the vendor may take until it can be told anything, in seconds.

    Attributes:
        leg: What the core knows it by.
    """

    def __init__(
        self,
        vendor: Vendor,
        leg: Leg,
        core: SpeechCore,
        owner: SessionOwner,
        *,
        ready_timeout_s: float,
    ) -> None:
        self.vendor = vendor
        self.leg = leg
        self._core = core
        self._owner = owner
        self._ready_timeout_s = ready_timeout_s
        self._task: asyncio.Task[None] | None = None
        self._writer_wakes = asyncio.Event()
        self._is_ready = asyncio.Event()
        self._sending: asyncio.Timeout | None = None
        self._sent_at = 0.0

    def start(self) -> None:
        """Open in a task of its own; returns at once."""
        self._task = asyncio.create_task(self._own(), name=f"{self.vendor.name} session")

    def wake(self) -> None:
        """The leg may have something to be told."""
        if self.leg.has_commands:
            self._writer_wakes.set()
        sending = self._sending
        if sending is not None and sending.when() is None and self.leg.is_cut:
            sending.reschedule(self._now())

    async def aclose(self) -> None:
        """Close now, and wait until what was opened is closed."""
        self.leg.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _own(self) -> None:
        async with AsyncExitStack() as stack:
            # Who waits for the avatar is told first, then the vendor, who may take its time.
            try:
                await self._live(stack)
            except* AvatarError as group:
                await self._fail(_first(group))
            except* Exception:
                await self._fail(AvatarError(f"the {self.vendor.name} session broke"))
                raise

    async def _fail(self, error: AvatarError) -> None:
        self.leg.close()
        await self._owner.failed(self, error)

    async def _live(self, stack: AsyncExitStack) -> None:
        began_at = self._now()
        ready_by = began_at + self._ready_timeout_s
        async with self._in_time(ready_by):
            opened = await self.vendor.open()
            stack.push_async_callback(self._close, opened)
            self._owner.opened(self, opened)
            socket = await stack.enter_async_context(self.vendor.dial(opened))
        wire = self.vendor.wire()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(socket, wire), name="avatar read")
            tasks.create_task(self._write(socket, wire), name="avatar write")
            tasks.create_task(self._until_ready(ready_by), name="avatar ready")
            if opened.limit_s is not None:
                ends_at = began_at + opened.limit_s
                tasks.create_task(self._until_limit(ends_at), name="avatar limit")
            if self.vendor.profile.keep_alive_s is not None:
                period_s = self.vendor.profile.keep_alive_s
                tasks.create_task(self._keep_alive(socket, wire, period_s), name="avatar alive")

    @asynccontextmanager
    async def _in_time(self, ready_by: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(ready_by):
                yield
        except TimeoutError:
            raise NeverReady(self.vendor.name, self._ready_timeout_s) from None

    async def _until_ready(self, ready_by: float) -> None:
        async with self._in_time(ready_by):
            await self._is_ready.wait()

    async def _until_limit(self, ends_at: float) -> None:
        """Some vendors fall silent then, and tell nobody."""
        await asyncio.sleep(ends_at - self._now())
        raise EndedByVendor(self.vendor.name, why=Ending.LIMIT)

    async def _close(self, opened: Opened) -> None:
        try:
            await finish(self.vendor.close(opened), within_s=CLOSE_TIMEOUT_S)
        except (AvatarError, TimeoutError) as error:
            # Not an error of the conversation, which is over; who pays has to know of it.
            name = f"{self.vendor.name} session {short(opened.id)}"
            logger.warning(f"{name} could not be stopped and may still run: {error or 'no answer'}")

    async def _read(self, socket: Socket, wire: Wire) -> None:
        self._look_ready(wire)
        async for message in socket:
            for event in wire.decode(message):
                self._core.receive(event, self.leg, now=self._now())
            if wire.over:
                raise EndedByVendor(self.vendor.name, why=wire.over)
            self._look_ready(wire)
            self._owner.poke()
        raise ConnectionLost(self.vendor.name)

    def _look_ready(self, wire: Wire) -> None:
        if wire.ready and not self._is_ready.is_set():
            self._is_ready.set()
            self._core.ready(self.leg, now=self._now())
            self._owner.ready(self)
            self._owner.poke()

    async def _write(self, socket: Socket, wire: Wire) -> None:
        while True:
            await self._writer_wakes.wait()
            self._writer_wakes.clear()
            while (command := self.leg.next_command()) is not None:
                for message in wire.encode(command):
                    await self._send(socket, message)
                    self._sent_at = self._now()

    async def _send(self, socket: Socket, message: Any) -> None:
        """Wait until it is sent, or until there is an interrupt, which has to go before."""
        patience = asyncio.timeout(0 if self.leg.is_cut else None)
        try:
            async with patience as self._sending:
                await socket.send(message)
        except TimeoutError:
            if not patience.expired():
                raise
            logger.debug(f"{self.vendor.name} takes nothing more, and is interrupted")
        finally:
            self._sending = None

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
