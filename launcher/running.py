"""One session on this machine: its process is started, watched, ended and buried here."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from time import time
from typing import Any, Protocol

from loguru import logger
from starlette.types import Receive, Scope, Send

from transports.avatar import JournalUnusable
from transports.avatar.owner import Owner
from transports.avatar.owner import of as owner_of

from .backend import BackendError, Session, Spec, StartFailed, State, UnknownSession, Why
from .channel import ChannelClosed, ChannelError, MalformedMessage
from .forwarding import Forwarder
from .life import Life, Limits, Step
from .messages import (
    Cancel,
    Ping,
    Pong,
    Run,
    SayGoodbye,
    Serving,
    Take,
    Talking,
    Ticket,
    WantsTicket,
)
from .processes import ProcessError, Processes, SessionProcess
from .reaper import Reaper
from .session_log import SessionLogs
from .slots import Slots

START_S = 20.0
"""How long it may take to get a process."""

HUNG_UP_S = 2.0
"""How long a process may take to die that has closed its channel."""

PAID_LONGER_S = 60.0
"""So much longer than a session its vendor's may last."""

GOODBYES: Mapping[Why, str] = {
    Why.LONGEST_TIME: "Our time is over. Goodbye.",
    Why.DRAINED: "I have to stop now: this server is about to be serviced. Goodbye.",
}
GOODBYE = "I have to stop now. Goodbye."
"""What is said where a session's end has no sentence of its own."""


class Witness(Protocol):
    """Counts what happens."""

    def came_up(self, seconds: float) -> None:
        """A person could come, so long after the session was asked for."""

    def ended(self, why: Why) -> None:
        """A session is over."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a session needs of its machine.

    Attributes:
        processes: Where its process comes from.
        logs: Where its log goes.
        tickets: Makes a ticket for the next connection, of a session and its tenant.
        slots: What it may take of the vendors' accounts.
        reaper: Ends what it leaves running.
        witness: Told how it goes.
        patience_s: How long a slot is waited for.
    """

    processes: Processes
    logs: SessionLogs
    tickets: Callable[[str, str], str]
    slots: Slots
    reaper: Reaper
    witness: Witness
    patience_s: float = 0.0


class RunningSession:
    """A session that has a place.

    Args:
        spec: What was asked for.
        limits: What it may take at most.
        surroundings: What it needs.
        folder: Where its socket goes.
        over: Called when its process is dead.

    Attributes:
        came_up: Done when a person can come. Raises `BackendError` where that was not to be.
    """

    def __init__(
        self,
        spec: Spec,
        limits: Limits,
        surroundings: Surroundings,
        *,
        folder: Path,
        over: Callable[[], object],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.came_up: asyncio.Future[None] = self._loop.create_future()
        self._spec = spec
        self._began, self._began_at = time(), self._loop.time()
        self._longest_s = min(spec.longest_s, limits.longest_s)
        self._life = Life(replace(limits, longest_s=self._longest_s))
        self._surroundings = surroundings
        self._folder = folder
        self._over = over
        self._process: SessionProcess | None = None
        self._owner: Owner | None = None
        self._ended: Why | None = None
        self._forwarder: Forwarder | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Timeout | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def seen(self) -> Session:
        """How it stands."""
        spec, pid = self._spec, self._process.pid if self._process else None
        return Session(spec.session, spec.tenant, spec.way, self._life.state, self._began, pid)

    def begin(self) -> None:
        """Start its process. Whatever comes of it, `over` is called in the end."""
        self._task = asyncio.create_task(self._live(), name=f"session {self._spec.session}")

    async def gone(self) -> None:
        """Returns when nothing is left of it."""
        assert self._task, "it was begun"
        await asyncio.shield(self._task)

    def end(self, why: Why, *, within_s: float = inf) -> None:
        """Bring it to an end: told, cancelled, killed, in this order."""
        self._life.end(why, self._loop.time(), within_s=within_s)
        if self._waiting:
            self._waiting.reschedule(self._loop.time())
        self._step()

    async def forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `Backend.forward`."""
        if self._forwarder is None:
            raise UnknownSession
        await self._forwarder(scope, receive, send)

    def take(self, connection: socket.socket, head: bytes, admission: Mapping[str, Any]) -> None:
        """See `Backend.take`. The connection is copied, and stays open here."""
        try:
            self._tell(Take(head.decode("latin-1"), admission), connection)
        except ChannelError:
            raise UnknownSession from None

    async def _live(self) -> None:
        failed: BackendError = StartFailed()
        try:
            async with AsyncExitStack() as undo:
                undo.callback(self._over)
                process = self._process = await self._started(undo)
                with suppress(ChannelClosed):  # how it died, `_bury` finds out
                    await self._run(process, undo)
                    await self._listen(process)
        except BackendError as error:
            failed = error
        except (ProcessError, JournalUnusable, ChannelError, OSError) as error:
            if self._life.why is None:
                why = str(error) or f"no process within {START_S:g} s"
                logger.error(f"session {self._spec.session}: {why}")
        except asyncio.CancelledError:
            pass  # time ran out in the moment that what was waited for came; nobody else cancels
        finally:
            if self._ended is not None:
                self._surroundings.witness.ended(self._ended)
            if not self.came_up.done():
                self.came_up.set_exception(failed)
                self.came_up.exception()  # whoever asked may be gone

    async def _started(self, undo: AsyncExitStack) -> SessionProcess:
        """A process, which has what it needs of the vendors' accounts."""
        slots, patience_s = self._surroundings.slots, self._surroundings.patience_s
        limit_s = self._longest_s + PAID_LONGER_S
        async with self._unless_ended(None):
            slot = await slots.take(self._spec.session, limit_s=limit_s, patience_s=patience_s)
        undo.push_async_callback(slots.release, slot)  # what it has become by then stays
        async with self._unless_ended(START_S):
            process = await self._surroundings.processes.take()
        self._life.begins(self._loop.time())
        undo.push_async_callback(self._bury, process)
        self._owner = owner_of(process.pid)
        await slots.hand(slot, self._owner)
        return process

    @asynccontextmanager
    async def _unless_ended(self, within_s: float | None) -> AsyncIterator[None]:
        """Raises `TimeoutError` inside when the time is over, or the session is to end."""
        async with asyncio.timeout(within_s) as self._waiting:
            if self._life.why is not None:
                raise TimeoutError
            try:
                yield
            finally:
                self._waiting = None

    async def _run(self, process: SessionProcess, undo: AsyncExitStack) -> None:
        """Tell the process which session it is."""
        path = self._folder / f"{process.pid}.sock"
        undo.callback(path.unlink, missing_ok=True)
        with (
            socket.socket(socket.AF_UNIX) as listener,
            os.fdopen(self._surroundings.logs.open(self._spec.session), "wb") as log,
        ):
            listener.bind(str(path))
            listener.listen()
            process.channel.send(Run(asdict(self._spec)), listener, log)
        self._forwarder = Forwarder(path)
        undo.push_async_callback(self._forwarder.close)
        self._step()

    async def _listen(self, process: SessionProcess) -> None:
        """Hear what the process has to say, until it hangs up."""
        while True:
            try:
                message, _ = await process.channel.receive()
            except MalformedMessage as error:
                logger.error(f"session {self._spec.session} is not understood: {error}")
                continue
            match message:
                case Serving():
                    self._life.serves(self._loop.time())
                    if not self.came_up.done():
                        self.came_up.set_result(None)
                        self._surroundings.witness.came_up(self._loop.time() - self._began_at)
                case Talking():
                    self._life.talks()
                case Pong(memory_mb=memory_mb):
                    self._life.answers(memory_mb, self._loop.time())
                case WantsTicket():
                    ticket = self._surroundings.tickets(self._spec.session, self._spec.tenant)
                    self._tell(Ticket(ticket))
            self._step()

    async def _bury(self, process: SessionProcess) -> None:
        """See the process dead, with all that it has started, and what it cost paid off."""
        if self._timer:
            self._timer.cancel()
        process.channel.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(HUNG_UP_S):
                await asyncio.shield(process.gone)
        process.kill()
        code = await process.gone
        if self._forwarder:  # it was told which session it is
            why = self._ended = self._life.why or _why(code, self._life.state)
            log = logger.error if why in (Why.CRASHED, Why.HUNG) else logger.info
            log(f"session {self._spec.session} is over: {why} (exit code {code})")
        if self._owner:
            await self._surroundings.reaper.ended(self._owner, within_s=0)  # it goes on with that

    def _step(self) -> None:
        """Do what is due, and come back when something else is."""
        if self._process is None or self._process.gone.done():
            return
        for step in self._life.due(self._loop.time()):
            match step:
                case Step.PING:
                    self._try(Ping())
                case Step.TELL:
                    why = self._life.why
                    self._try(SayGoodbye(GOODBYES.get(why, GOODBYE) if why else GOODBYE))
                case Step.CANCEL:
                    self._try(Cancel())
                case Step.KILL:
                    self._process.kill()
        if self._timer:
            self._timer.cancel()
        if (next_at := self._life.next_at) < inf:
            self._timer = self._loop.call_at(next_at, self._step)

    def _try(self, message: Ping | SayGoodbye | Cancel) -> None:
        """Tell it, if it can still be told; if not, it is about to be found dead, or killed."""
        with suppress(ChannelClosed):
            self._tell(message)

    def _tell(self, message: Any, *files: socket.socket) -> None:
        if self._process is None:
            raise UnknownSession
        self._process.channel.send(message, *files)


def _why(code: int, state: State) -> Why:
    if code:
        return Why.CRASHED
    return Why.NOBODY_CAME if state is State.WAITING else Why.FINISHED
