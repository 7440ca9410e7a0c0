"""The drive socket: what a digital human says, one drive at a time, each reserved ahead.

The round trips of REST are made by tasks of the socket's own, so that who speaks waits for none of
them: a reservation is asked for, and its connection made, before there is anything to say; a cut is
sent on its way and not waited for. A connection is kept for the drives that follow for as long as
the vendor keeps it and gives the same address; there are never two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from loguru import logger

from ..avatar.dial import WebSocket
from ..avatar.errors import (
    AvatarError,
    CertificateRefused,
    ConnectionLost,
    RateLimited,
    UnexpectedReply,
    VendorRefused,
)
from ..avatar.events import Reserved
from ..avatar.rest import NotDone
from .rest import NOT_STREAMING, OVER
from .tasks import Drive, DriveStatus, Tasks, TaskStatus
from .wire import Ask, Cut, Odd, Order, Start, Stop, Told, start_text, stop_text

RESERVATION_S = 300.0
"""How long the core may count on a reservation."""

KEPT_S = 240.0
"""A reservation that is older is not given to the core any more: addresses live for 600 s."""

CUT_S = 0.5
"""Who begins next waits no longer for the answer to an interrupt."""

CUT_AGAIN_S = (0.0, 0.15, 0.3)
"""Before each try of one that was certainly not carried out."""

TROUBLE_S = 10.0
"""For how long reservations may go wrong; tried again after these:"""
AGAIN_S, RATE_LIMITED_S = 0.3, 1.0

SHORT_LIVED_S = 5.0
"""A connection that was closed sooner is not made again before it is needed."""

LIVING = (TaskStatus.STARTING, TaskStatus.STREAMING)

MOST_DRIVES = 64
"""The status of so many may be still to come; the oldest is then forgotten."""


@dataclass(slots=True)
class _Line:
    """A connection to one address."""

    place: tuple[str | None, int | None, str]
    socket: WebSocket
    stack: AsyncExitStack
    opened_at: float
    is_open: bool = True


@dataclass(slots=True)
class _Driven:
    """The drive that was begun last."""

    id: str
    utterance: str
    sample_rate: int
    stopped: bool = False
    over: bool = False  # the vendor ended it by itself, before it was stopped


@dataclass(slots=True)
class _Told:
    """A drive whose status is still of interest, and what was told of it."""

    utterance: str
    started: bool = False


@dataclass(slots=True)
class _Kept:
    """A reservation that was not used yet."""

    drive: Drive
    at: float = field(default_factory=lambda: asyncio.get_running_loop().time())


class DriveSocket:
    """What `vendor.Socket` is for one task: `async with DriveSocket(…) as socket`.

    On entering, the first drive is reserved and its address dialled.

    Args:
        vendor: For the log and for errors.
        tasks: The actions.
        task: Whose; it streams.
        connect: Dials an address.
    """

    def __init__(
        self,
        vendor: str,
        tasks: Tasks,
        task: str,
        connect: Callable[[str], AbstractAsyncContextManager[WebSocket]],
    ) -> None:
        self._vendor = vendor
        self._tasks = tasks
        self._task = task
        self._connect_to = connect
        self._inbox: asyncio.Queue[object] = asyncio.Queue()
        self._odd = Odd(vendor)
        self._at_work: set[asyncio.Task[None]] = set()
        self._line: _Line | None = None
        self._preparing = asyncio.Lock()  # a reservation, or its connection
        self._kept: _Kept | None = None
        self._asked: int | None = None
        self._wanted = asyncio.Event()
        self._driven: _Driven | None = None
        self._between = asyncio.Event()  # drives: nothing more is to be sent of the last
        self._between.set()
        self._told: dict[str, _Told] = {}
        self._asking: asyncio.Task[None] | None = None
        self._cut: asyncio.Task[None] | None = None
        self._cut_at = 0.0

    async def __aenter__(self) -> Self:
        try:
            await self._prepare_first()
        except BaseException:
            await self._hang_up()
            raise
        self._spawn(self._reserve(), "avatar reserve")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        at_work = {*self._at_work}
        for task in at_work:
            task.cancel()
        if at_work:
            await asyncio.wait(at_work)
        await self._hang_up()

    # `Socket`

    async def send(self, order: Order) -> None:
        """Carry out an order of the wire.

        Raises:
            ConnectionLost: The connection is gone in the middle of a drive, or the task is over.
            AvatarError: There was no reservation left, and none could be made.
        """
        match order:
            case Ask(generation):
                self._asked = generation
                self._wanted.set()
            case Start(utterance, sample_rate):
                await self._begin(utterance, sample_rate)
            case Stop():
                await self._end()
            case Cut():
                self._interrupt()
            case bytes():
                await self._speak(order)

    async def __aiter__(self) -> AsyncIterator[object]:
        """`Reserved`, `Told`; ends when the task is known to be over, or the connection lost."""
        while (message := await self._inbox.get()) is not None:
            if isinstance(message, Exception):
                raise message
            yield message

    # What comes from elsewhere

    def drive_told(self, drive: str, status: DriveStatus, *, hint: bool) -> None:
        """How a drive goes, as the vendor says, or as a page does (`hint`)."""
        told = self._told.get(drive)
        if told is None or status is DriveStatus.QUEUED:
            return
        if status is DriveStatus.DRIVING:
            if not told.started:
                told.started = True
                self._inbox.put_nowait(Told(told.utterance, status))
            return
        driven = self._driven
        if driven is not None and driven.id == drive and not driven.stopped:
            if not hint:  # it had nothing to say for too long: what follows needs another drive
                driven.over = True
                self._between.set()
            return
        del self._told[drive]
        self._inbox.put_nowait(Told(told.utterance, status))

    def task_doubted(self, status: int) -> None:
        """What a callback says of the task. What ends it is asked for: a callback ends nothing."""
        if status in LIVING or (self._asking is not None and not self._asking.done()):
            return
        self._asking = self._spawn(self._look(), "avatar task")

    # Speech

    async def _begin(self, utterance: str, sample_rate: int) -> None:
        try:
            async with self._preparing:
                kept, line = await self._prepared(fresh_s=RESERVATION_S + KEPT_S)
        except VendorRefused as error:
            raise (ConnectionLost(self._vendor) if error.status in OVER else error) from None
        self._kept = None
        was_started = any(each.utterance == utterance for each in self._told.values())
        self._driven = _Driven(kept.drive.id, utterance, sample_rate)
        self._between.clear()
        while len(self._told) >= MOST_DRIVES:
            del self._told[next(iter(self._told))]
        self._told[kept.drive.id] = _Told(utterance, was_started)
        await line.socket.send(start_text(kept.drive.id, sample_rate))

    async def _speak(self, pcm: bytes) -> None:
        driven = self._driven
        if driven is None:
            return  # cut
        if driven.over:
            await self._begin(driven.utterance, driven.sample_rate)
            self._told.pop(driven.id, None)
        await self._open_line().send(pcm)

    async def _end(self) -> None:
        driven = self._driven
        if driven is None:
            return
        driven.stopped = True
        self._between.set()
        if not driven.over:
            await self._open_line().send(stop_text(driven.id))
        elif told := self._told.pop(driven.id, None):
            self._inbox.put_nowait(Told(told.utterance, DriveStatus.ENDED))

    def _open_line(self) -> WebSocket:
        if self._line is None or not self._line.is_open:
            raise ConnectionLost(self._vendor)
        return self._line.socket

    # Reservations

    async def _reserve(self) -> None:
        """Answers each question with a reservation, once a cut is over that could hit it."""
        trouble_since: float | None = None
        while True:
            await self._wanted.wait()
            now = asyncio.get_running_loop().time()
            try:
                await self._prepare()
            except (CertificateRefused, UnexpectedReply):
                raise
            except AvatarError as error:
                if isinstance(error, VendorRefused) and error.status in OVER:
                    self._finish()
                    return
                trouble_since = trouble_since or now
                if now > trouble_since + TROUBLE_S:
                    raise
                logger.debug(f"{self._vendor} reserves nothing now: {error}")
                await asyncio.sleep(RATE_LIMITED_S if isinstance(error, RateLimited) else AGAIN_S)
                continue
            trouble_since = None
            await self._settled()
            if self._asked is not None:
                generation, self._asked = self._asked, None
                self._wanted.clear()
                self._inbox.put_nowait(Reserved(generation))

    async def _prepare_first(self) -> None:
        """The caller has a deadline."""
        while True:
            try:
                return await self._prepare()
            except VendorRefused as error:
                if error.status != NOT_STREAMING:
                    raise
                await asyncio.sleep(AGAIN_S)

    async def _prepare(self) -> None:
        async with self._preparing:
            await self._prepared(fresh_s=KEPT_S)

    async def _prepared(self, *, fresh_s: float) -> tuple[_Kept, _Line]:
        """A reservation that is no older, and its connection."""
        kept = self._kept
        if kept is None or asyncio.get_running_loop().time() > kept.at + fresh_s:
            kept = self._kept = _Kept(await self._tasks.reserve(self._task))
        place = _place(kept.drive.address)
        if self._line is None or not self._line.is_open or self._line.place != place:
            await self._between.wait()
            await self._hang_up()
            try:
                self._line = await self._dialled(kept.drive.address, place)
            except BaseException:
                self._kept = None  # its address is no good
                raise
        return kept, self._line

    # Connections

    async def _dialled(self, address: str, place: tuple[str | None, int | None, str]) -> _Line:
        async with AsyncExitStack() as stack:
            socket = await stack.enter_async_context(self._connect_to(address))
            now = asyncio.get_running_loop().time()
            line = _Line(place, socket, stack.pop_all(), now)
        self._spawn(self._read(line), "avatar drive read")
        return line

    async def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.is_open = False
            await line.stack.aclose()

    async def _read(self, line: _Line) -> None:
        """Nothing is known of what it says; it must be read to see it close, and for its pings."""
        async for message in line.socket:
            self._odd.note("a text" if isinstance(message, str) else "a binary message")
        if self._line is not line:
            return  # we closed it
        line.is_open = False
        driven = self._driven
        if driven is not None and not driven.stopped and not driven.over:
            raise ConnectionLost(self._vendor)
        self._spawn(self._closed(line), "avatar drive closed")

    async def _closed(self, line: _Line) -> None:
        """Between two drives it may be: because the task is over, or because nothing was said."""
        if not await self._is_living():
            return
        short_lived = asyncio.get_running_loop().time() < line.opened_at + SHORT_LIVED_S
        if self._kept is not None and not short_lived:
            try:
                async with self._preparing:
                    await self._prepared(fresh_s=RESERVATION_S + KEPT_S)
            except AvatarError as error:
                logger.debug(f"{self._vendor}'s drive socket is dialled again when needed: {error}")

    async def _look(self) -> None:
        await self._is_living()

    async def _is_living(self) -> bool:
        """Whether it is known to be; where it is known to be over, nothing more is said."""
        try:
            lives = await self._tasks.status(self._task) in LIVING
        except VendorRefused as error:
            if error.status not in OVER:
                return False
            lives = False
        except AvatarError:
            return False  # nobody knows; it shows with the next reservation
        if not lives:
            self._finish()
        return lives

    # Cuts

    def _interrupt(self) -> None:
        self._asked = None
        self._wanted.clear()
        self._driven = None
        self._between.set()
        self._told.clear()
        self._cut_at = asyncio.get_running_loop().time()
        self._cut = self._spawn(self._interrupted(), "avatar interrupt")

    async def _interrupted(self) -> None:
        """Once; again only where it was certainly not carried out, and nothing new has begun."""
        for pause_s in CUT_AGAIN_S:
            await asyncio.sleep(pause_s)
            if self._driven is not None:
                return  # that has cut it
            try:
                await self._tasks.interrupt(self._task)
            except (RateLimited, NotDone):
                continue
            except VendorRefused as error:
                if error.status in OVER:
                    self._finish()
                return
            except AvatarError as error:
                logger.warning(f"{self._vendor} may go on with what was cut: {error}")
                return
            else:
                return
        logger.warning(f"{self._vendor} goes on with what was cut: it takes no interrupts now")

    async def _settled(self) -> None:
        """An interrupt names no drive: one that comes late would hit the next answer."""
        while self._cut is not None and not self._cut.done():
            left_s = self._cut_at + CUT_S - asyncio.get_running_loop().time()
            if left_s <= 0:
                return
            await asyncio.wait({self._cut}, timeout=left_s)

    # Inside

    def _finish(self) -> None:
        self._inbox.put_nowait(None)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._at_work.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._at_work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._inbox.put_nowait(error)


def _place(address: str) -> tuple[str | None, int | None, str]:
    """Where an address leads, without what it has to say there."""
    try:
        to = urlsplit(address)
        return to.hostname, to.port, to.path
    except ValueError:
        return None, None, ""  # it is looked at when it is dialled
