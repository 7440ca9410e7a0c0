"""Sessions in processes that are started one by one, some of them before they are needed."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import Process
from collections import deque
from contextlib import suppress
from pathlib import Path

from loguru import logger

from .bot_file import Fingerprint, fingerprint, has_changed, loaded_version
from .channel import Channel, ChannelError
from .launching import launch
from .loading import SERVER
from .messages import Ping, Pong
from .processes import ProcessError, SessionProcess, kill_group

AT_ONCE = 2
"""How many processes are started at the same time: each takes a core for two seconds."""

ANSWER_S = 1.0
"""How long a process may take to answer before it is handed out."""

PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
"""How long nothing is started after a process died unused; twice as long each time."""


class Pool:
    """See `processes.Processes`. When the bot's files change, those that wait are replaced.

    Args:
        bot: The bot's file.
        warm: How many processes wait.
        server: The class of a session's server: module and name.
    """

    def __init__(self, bot: Path, *, warm: int, server: str = SERVER) -> None:
        self._bot = bot.resolve()
        self._most = warm
        self._server = server
        self._warm: deque[_Warm] = deque()
        self._wanted: deque[asyncio.Future[_Warm]] = deque()
        self._starting: set[asyncio.Task[None]] = set()
        self._watching: set[asyncio.Task[None]] = set()
        self._trouble: ProcessError | None = None
        self._tried: Fingerprint = {}
        self._pause_s = PAUSE_S
        self._resuming: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """The numbers of the processes that wait."""
        return [each.process.pid for each in self._warm]

    async def start(self) -> None:
        """Fill the pool; returns when one process waits.

        Raises:
            ProcessError
        """
        try:
            self._put(await self._next())
        except BaseException:
            await self.close()
            raise

    async def take(self) -> SessionProcess:
        """See `Processes.take`."""
        while True:
            warm = await self._next()
            try:
                answers = await warm.answers()
            except asyncio.CancelledError:
                self._put(warm)
                raise
            if answers and not warm.is_stale:
                self._fill()
                return warm.process
            warm.process.discard()

    async def close(self) -> None:
        """See `Processes.close`."""
        self._closed = True
        if self._resuming:
            self._resuming.cancel()
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        self._fail(ProcessError("No more processes are started."))
        for warm in self._warm:
            warm.process.discard()
        await asyncio.gather(*(asyncio.shield(each.process.gone) for each in self._warm))

    async def _next(self) -> _Warm:
        """One that waits, or the next one that will."""
        if self._closed:
            raise ProcessError("No more processes are started.")
        while self._warm:
            warm = self._warm.popleft()
            if not warm.process.gone.done() and not warm.is_stale:
                return warm
            warm.process.discard()
        if self._trouble and not has_changed(self._tried):
            raise self._trouble
        self._resume()
        wanted: asyncio.Future[_Warm] = asyncio.get_running_loop().create_future()
        self._wanted.append(wanted)
        self._fill()
        try:
            return await wanted
        except asyncio.CancelledError:
            if wanted.done() and not wanted.cancelled() and not wanted.exception():
                self._put(wanted.result())
            raise

    def _fill(self) -> None:
        """Start what is missing, as far as it may be started now."""
        if self._closed or self._resuming:
            return
        wanted = sum(not each.done() for each in self._wanted)
        missing = self._most + wanted - len(self._warm) - len(self._starting)
        for _ in range(min(missing, AT_ONCE - len(self._starting))):
            task = asyncio.create_task(self._start(), name="start a process")
            self._starting.add(task)
            task.add_done_callback(self._started)

    async def _start(self) -> None:
        before = fingerprint(self._tried or [str(self._bot)])
        try:
            process, channel, loaded = await launch(
                "session_process", self._bot, server=self._server
            )
        except ProcessError as error:
            if has_changed(before):
                return  # it was mended meanwhile, or broken otherwise: the next one will tell
            self._tried = fingerprint(getattr(error, "files", ())) | before
            self._rest(error)
            return
        version = loaded_version(loaded.files, before)
        self._tried, self._trouble, self._pause_s = version, None, PAUSE_S
        warm = _Warm(process, channel, version)
        task = asyncio.create_task(self._watch(process, warm), name=f"watch {process.pid}")
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        self._put(warm)

    def _started(self, task: asyncio.Task[None]) -> None:
        self._starting.discard(task)
        self._fill()

    def _put(self, warm: _Warm) -> None:
        while self._wanted:
            wanted = self._wanted.popleft()
            if not wanted.done():
                wanted.set_result(warm)
                return
        self._warm.append(warm)

    async def _watch(self, process: Process, warm: _Warm) -> None:
        code = await process.wait()
        warm.buried(code)
        if warm in self._warm and not self._closed:
            self._warm.remove(warm)
            warm.process.discard()
            logger.warning(f"a process that waited is dead (code {code})")
            self._rest(None)

    def _rest(self, trouble: ProcessError | None) -> None:
        """Start nothing for a while; whoever waits is told why."""
        self._resume()
        if trouble:
            if self._trouble is None or str(trouble) != str(self._trouble):
                logger.error(f"no process waits: {trouble}")
            self._trouble = trouble
            self._fail(trouble)
        self._resuming = asyncio.get_running_loop().call_later(self._pause_s, self._go_on)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _resume(self) -> None:
        if self._resuming:
            self._resuming.cancel()
            self._resuming = None

    def _go_on(self) -> None:
        self._resuming = None
        self._fill()

    def _fail(self, error: ProcessError) -> None:
        for wanted in self._wanted:
            if not wanted.done():
                wanted.set_exception(error)
        self._wanted.clear()


class _Warm:
    """A process that has loaded the bot."""

    def __init__(self, process: Process, channel: Channel, version: Fingerprint) -> None:
        self.version = version
        gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        pidfd: int | None = None
        if hasattr(os, "pidfd_open"):
            with suppress(ProcessLookupError):  # it is dead already
                pidfd = os.pidfd_open(process.pid)
        self.process = SessionProcess(process.pid, channel, gone, pidfd)

    @property
    def is_stale(self) -> bool:
        """Whether the bot's files have changed since they were loaded."""
        return has_changed(self.version)

    async def answers(self) -> bool:
        """Whether it is alive and well."""
        try:
            self.process.channel.send(Ping())
            async with asyncio.timeout(ANSWER_S):
                message, _ = await self.process.channel.receive()
        except (ChannelError, TimeoutError):
            return False
        return isinstance(message, Pong)

    def buried(self, code: int) -> None:
        """It is dead."""
        process = self.process
        kill_group(process.pid, process.pidfd)
        if process.pidfd is not None:
            os.close(process.pidfd)
        if not process.gone.done():
            process.gone.set_result(code)
