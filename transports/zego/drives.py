"""The drive socket: what a digital human says, one drive at a time, each reserved ahead.

The round trips of REST are made by tasks of the socket's own, so that who speaks waits for none of
them: a reservation is asked for, and its connection made, before there is anything to say; a cut is
sent on its way and not waited for. A connection is kept for the drives that follow for as long as
the vendor keeps it and gives the same address; there are never two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from loguru import logger

from ..avatar.dial import WebSocket
from ..avatar.errors import (
    AvatarError,
    CertificateRefused,
    ConnectionLost,
    EndedByVendor,
    Ending,
    RateLimited,
    VendorRefused,
    VendorUnreachable,
)
from ..avatar.events import Reserved
from ..avatar.rest import PAUSES_S
from ..avatar.utterance import SAMPLE_BYTES
from .line import Line
from .progress import Progress
from .rest import NOT_STREAMING, OVER
from .tasks import Drive, DriveStatus, Tasks, TaskStatus
from .wire import Ask, Cut, Order, Start, Stop, start_text, stop_text

RESERVATION_S = 300.0
"""How long the core may count on a reservation."""

KEPT_S = 240.0
"""A reservation that is older is not given to the core any more: addresses live for 600 s."""

CUT_S = 0.5
"""Who begins next waits no longer for the answer to an interrupt."""

CUT_AGAIN_S = (0.0, 0.15, 0.3)
"""Before each try of one that may not have been carried out."""

TROUBLE_S = 10.0
"""For how long reservations may go wrong; tried again after these:"""
AGAIN_S, RATE_LIMITED_S = 0.3, 1.0

_ENDED = (TaskStatus.FAILED, TaskStatus.STOPPING, TaskStatus.STOPPED)
_OVER = (DriveStatus.FAILED, DriveStatus.ENDED, DriveStatus.INTERRUPTED)
_SEEN_IN_THE_ROOM = (DriveStatus.DRIVING, DriveStatus.ENDED)

HEARD_LEAST, HEARD_SOONER_S = 0.9, 0.5
"""A drive that was heard took this much of what its speech lasts, less so many seconds, or more."""

DOUBT_S = 1.0
"""How long to ask why a connection is lost."""

WATCH_S = 5.0
"""How often to ask whether the task still is: that it ended may be told by nobody."""

WATCH_SHARE = 10.0
"""At least so many times as long as the last look took."""

SHORT_LIVED_S = 5.0
"""A connection that was closed sooner is not made again before it is needed, and was not closed
because nothing came over it."""

CROSSED_S = 0.8
"""A close for a long silence that crosses with a Start is seen this soon; by then the vendor would
have told that it drives."""


@dataclass(slots=True)
class _Driven:
    """The drive that was begun last."""

    id: str
    utterance: str
    sample_rate: int
    silent_s: float  # for how long nothing had come over its connection
    at: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    stopped: bool = False
    over: bool = False  # the vendor ended it by itself, before it was stopped
    told: bool = False  # that it is heard
    samples: int = 0

    @property
    def may_be_heard(self) -> bool:
        """Whether there was the time for it, with clocks that are a little off."""
        passed_s = asyncio.get_running_loop().time() - self.at
        return passed_s > HEARD_LEAST * self.samples / self.sample_rate - HEARD_SOONER_S

    @property
    def is_new(self) -> bool:
        """Whether nobody can say yet that the vendor has it."""
        return not self.told and asyncio.get_running_loop().time() < self.at + CROSSED_S


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
        ending: Says why a task may be over in which nothing was said for so long, in seconds.
        real_time: See `Profile`.
    """

    def __init__(
        self,
        vendor: str,
        tasks: Tasks,
        task: str,
        connect: Callable[[str], AbstractAsyncContextManager[WebSocket]],
        ending: Callable[[float], Ending] = lambda silent_s: Ending.UNKNOWN,
        *,
        real_time: bool = False,
    ) -> None:
        self._vendor = vendor
        self._tasks = tasks
        self._task = task
        self._ending = ending
        self._real_time = real_time
        self._said_at = asyncio.get_running_loop().time()
        self._line = Line(vendor, connect, self._closed)
        self._inbox: asyncio.Queue[object] = asyncio.Queue()
        self._at_work: set[asyncio.Task[None]] = set()
        self._preparing = asyncio.Lock()  # a reservation, or its connection
        self._kept: _Kept | None = None
        self._asked: int | None = None
        self._wanted = asyncio.Event()
        self._driven: _Driven | None = None
        self._between = asyncio.Event()  # drives: nothing more is to be sent of the last
        self._between.set()
        self._progress = Progress()
        self._tells = False  # the vendor, or a page, when a drive is heard
        self._hangs_up = False  # the vendor, behind each Stop
        self._asking: asyncio.Task[None] | None = None
        self._cut: asyncio.Task[None] | None = None
        self._cut_at = 0.0

    async def __aenter__(self) -> Self:
        try:
            await self._prepare_first()
        except BaseException:
            await self._line.hang_up()
            raise
        self._spawn(self._reserve(), "avatar reserve")
        self._spawn(self._watch(), "avatar watch")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            while at_work := {*self._at_work}:  # a connection that closes meanwhile begins more
                for task in at_work:
                    task.cancel()
                await asyncio.wait(at_work)
        finally:
            await self._line.hang_up()

    # `Socket`

    async def send(self, order: Order) -> None:
        """Carry out an order of the wire.

        Raises:
            AvatarError: There was no reservation left, and none could be made. That the connection
                is gone is told by the iteration.
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
        """`Reserved`, `Told`.

        Raises:
            EndedByVendor: The task is known to be over.
            ConnectionLost: The connection is gone in the middle of a drive.
            AvatarError: Nothing can be reserved any more.
        """
        while True:
            message = await self._inbox.get()
            if isinstance(message, Exception):
                raise message
            yield message

    # What comes from elsewhere

    def drive_told(self, drive: str, status: DriveStatus, *, hint: bool) -> None:
        """How a drive goes, as the vendor says, or as a page does (`hint`)."""
        driven = self._driven
        if driven is not None and driven.id == drive and status is DriveStatus.DRIVING:
            driven.told = self._tells = True
        if driven is not None and driven.id == drive and not driven.stopped and status in _OVER:
            if hint:
                return
            self._between.set()
            if status is DriveStatus.ENDED:  # it had nothing to say for too long
                driven.over = True  # what follows needs another drive
                return
            self._driven = None
        if self._is_too_soon(drive, status):
            # It was cut, or the task is over, or it means something else there: the model goes on.
            if not hint:
                self.task_doubted(TaskStatus.STOPPED)
        elif not hint or status in _SEEN_IN_THE_ROOM:
            self._tell(drive, status)

    def _is_too_soon(self, drive: str, status: DriveStatus) -> bool:
        driven = self._driven if self._real_time and status is DriveStatus.ENDED else None
        return driven is not None and driven.id == drive and not driven.may_be_heard

    def task_doubted(self, status: int) -> None:
        """What a callback says of the task. What ends it is asked for: a callback ends nothing."""
        if status not in _ENDED or (self._asking is not None and not self._asking.done()):
            return
        self._asking = self._spawn(self._look(), "avatar task")

    # Speech

    async def _begin(self, utterance: str, sample_rate: int) -> None:
        try:
            kept = await self._prepared_to_begin()
        except VendorRefused as error:
            raise (self._over() if error.status in OVER else error) from None
        if self._cut is not None:
            self._cut.cancel()  # this cuts as well, and one that still waits for its turn hits this
        self._kept = None
        self._driven = _Driven(kept.drive.id, utterance, sample_rate, self._line.silent_s)
        self._between.clear()
        self._progress.begin(kept.drive.id, utterance)
        await self._say(start_text(kept.drive.id, sample_rate))

    async def _prepared_to_begin(self) -> _Kept:
        async with self._preparing:
            was_kept = self._kept is not None
            try:
                return await self._prepared(fresh_s=RESERVATION_S + KEPT_S)
            except (VendorRefused, VendorUnreachable):
                if not was_kept or self._kept is not None:
                    raise
            # Its connection was closed meanwhile, and its address has become too old.
            return await self._prepared(fresh_s=RESERVATION_S + KEPT_S)

    async def _speak(self, pcm: bytes) -> None:
        driven = self._driven
        if driven is None:
            return  # cut
        if driven.over:
            await self._begin(driven.utterance, driven.sample_rate)
            self._progress.forget(driven.id)
        if self._driven is not None:
            self._driven.samples += len(pcm) // SAMPLE_BYTES
        await self._say(pcm)

    async def _end(self) -> None:
        driven = self._driven
        if driven is None:
            return
        driven.stopped = True
        self._between.set()
        if not driven.over:
            await self._say(stop_text(driven.id))
        else:
            self._tell(driven.id, DriveStatus.ENDED)

    async def _say(self, message: str | bytes) -> None:
        self._said_at = asyncio.get_running_loop().time()
        with suppress(ConnectionLost):  # it is seen closed as well, and `_closed` knows what to do
            await self._line.send(message)

    # Reservations

    async def _reserve(self) -> None:
        """Answers each question with a reservation, once a cut is over that could hit it."""
        trouble_since: float | None = None
        while True:
            await self._wanted.wait()
            now = asyncio.get_running_loop().time()
            try:
                await self._prepare(pauses_s=())  # it is tried again here
            except CertificateRefused:
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

    async def _prepare(self, *, pauses_s: Sequence[float] = PAUSES_S) -> None:
        async with self._preparing:
            await self._prepared(fresh_s=KEPT_S, pauses_s=pauses_s)

    async def _prepared(self, *, fresh_s: float, pauses_s: Sequence[float] = PAUSES_S) -> _Kept:
        """A reservation that is no older, and its connection."""
        kept = self._kept
        if kept is None or asyncio.get_running_loop().time() > kept.at + fresh_s:
            kept = self._kept = _Kept(await self._tasks.reserve(self._task, pauses_s=pauses_s))
        if not self._line.leads_to(kept.drive.address):
            await self._between.wait()
            try:
                await self._line.reach(kept.drive.address)
            except BaseException:
                self._kept = None  # its address is no good
                raise
        return kept

    # Connections that close

    def _closed(self, lived_s: float) -> None:
        driven = self._driven
        if driven is None or driven.over:
            self._spawn(self._closed_between(lived_s), "avatar drive closed")
        elif not driven.stopped:
            if driven.is_new and driven.silent_s > SHORT_LIVED_S:
                self._never_had(driven)
            else:
                self._spawn(self._closed_in_speech(driven), "avatar drive lost")
        else:
            if driven.is_new and driven.silent_s > SHORT_LIVED_S and not self._hangs_up:
                self._spawn(self._closed_behind(driven), "avatar drive crossed")
            self._hangs_up |= driven.is_new and driven.silent_s <= SHORT_LIVED_S
            self._spawn(self._closed_between(lived_s), "avatar drive closed")

    async def _closed_in_speech(self, driven: _Driven) -> None:
        """Because the task is over, which the vendor may know, or for any other reason."""
        samples = driven.samples
        with suppress(TimeoutError):
            async with asyncio.timeout(DOUBT_S):
                await self._is_living()
        if driven.over and driven.samples == samples:
            return  # it had ended by itself, which was told later
        if self._driven is driven:  # else it was cut, and nothing is lost
            self._inbox.put_nowait(ConnectionLost(self._vendor))

    async def _closed_behind(self, driven: _Driven) -> None:
        """All of a short drive was sent: the vendor took it, or closed before it came."""
        if self._tells:
            await asyncio.sleep(driven.at + CROSSED_S - asyncio.get_running_loop().time())
        if self._driven is driven and not driven.told:
            self._never_had(driven)

    def _never_had(self, driven: _Driven) -> None:
        """The close has crossed with the Start: whoever keeps the speech says it again, once.

        What it is said over then is new, so that its close would cross with nothing.
        """
        self._driven = None
        self._between.set()
        self._tell(driven.id, DriveStatus.FAILED)

    async def _closed_between(self, lived_s: float) -> None:
        """Between two drives: because the task is over, or because nothing was said for a while."""
        if not await self._is_living():
            return
        if self._kept is not None and lived_s > SHORT_LIVED_S:
            try:
                async with self._preparing:
                    await self._prepared(fresh_s=RESERVATION_S + KEPT_S)
            except AvatarError as error:
                logger.debug(f"{self._vendor}'s drive socket is dialled again when needed: {error}")

    async def _watch(self) -> None:
        now = asyncio.get_running_loop().time
        pause_s = WATCH_S
        while True:
            await asyncio.sleep(pause_s)
            asked_at = now()
            await self._is_living()
            # Calls are rationed: who waits for its turn leaves more of them to those who begin.
            pause_s = max(WATCH_S, WATCH_SHARE * (now() - asked_at))

    async def _look(self) -> None:
        await self._is_living()

    async def _is_living(self) -> bool:
        """Whether it is known to be; where it is known to be over, nothing more is said."""
        try:
            lives = await self._tasks.status(self._task) not in _ENDED
        except VendorRefused as error:
            if error.status not in OVER:
                return False
            lives = False
        except AvatarError:
            return False  # nobody knows; it is asked again
        if not lives:
            self._finish()
        return lives

    # Cuts

    def _interrupt(self) -> None:
        self._asked = None
        self._wanted.clear()
        has_begun, self._driven = self._driven is not None, None
        self._between.set()
        self._progress.forget()
        if self._cut is not None:
            self._cut.cancel()  # this one says the same, and is the one that is cancelled next
        self._cut_at = asyncio.get_running_loop().time()
        self._cut = self._spawn(self._interrupted(has_begun), "avatar interrupt")

    async def _interrupted(self, has_begun: bool) -> None:
        """Once; again where it may not have been carried out. What begins next cancels it."""
        for pause_s in CUT_AGAIN_S:
            if pause_s:
                await asyncio.sleep(pause_s)
            try:
                await self._tasks.interrupt(self._task)
            except (RateLimited, VendorUnreachable):
                continue
            except VendorRefused as error:
                if error.status in OVER:
                    self._finish()
                elif has_begun:
                    continue  # it may have overtaken what it is to cut
                return
            except AvatarError as error:
                logger.warning(f"{self._vendor} may go on with what was cut: {error}")
                return
            else:
                return
        logger.warning(f"{self._vendor} may go on with what was cut: it takes no interrupts now")

    async def _settled(self) -> None:
        """An interrupt names no drive: one that comes late would hit the next answer."""
        while self._cut is not None and not self._cut.done():
            left_s = self._cut_at + CUT_S - asyncio.get_running_loop().time()
            if left_s <= 0:
                return
            await asyncio.wait({self._cut}, timeout=left_s)

    # Inside

    def _tell(self, drive: str, status: DriveStatus) -> None:
        if told := self._progress.told(drive, status):
            self._inbox.put_nowait(told)

    def _over(self) -> EndedByVendor:
        silent_s = asyncio.get_running_loop().time() - self._said_at
        return EndedByVendor(self._vendor, why=self._ending(silent_s))

    def _finish(self) -> None:
        self._inbox.put_nowait(self._over())

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._at_work.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._at_work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._inbox.put_nowait(error)
