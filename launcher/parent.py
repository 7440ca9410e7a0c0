"""One zygote, as the launcher sees it, with the sessions that it has forked."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections import deque
from contextlib import suppress
from typing import Any

from loguru import logger

from .channel import Channel, ChannelClosed, MalformedMessage
from .messages import Exited, Fork, Forked, NotForked
from .processes import ProcessError, SessionProcess, kill_group

FORKING_S = 10.0
ENDING_S = 5.0
"""How long a zygote may take to end that has nothing left to do."""

CODE_S = 1.0
"""How long a zygote may take to say how a session has ended that is dead already."""

KILLED = -signal.SIGKILL
"""What is assumed of a session whose zygote is dead too: that is what the kernel does to it."""


class Parent:
    """A zygote that has loaded the bot.

    Args:
        process: Its process.
        channel: To it.

    Attributes:
        alive: Whether it can fork.
    """

    def __init__(self, process: Process, channel: Channel) -> None:
        self.alive = True
        self._process = process
        self._channel = channel
        self._retired = False
        self._waiting: deque[tuple[asyncio.Future[SessionProcess], Channel]] = deque()
        self._sessions: dict[int, _Session] = {}
        self._living = asyncio.create_task(self._live(), name=f"zygote {process.pid}")

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def idle(self) -> bool:
        """Whether it has no session, and will not have one."""
        return not self._sessions and not (self.alive and self._waiting)

    @property
    def over(self) -> bool:
        """Whether it is dead."""
        return self._living.done()

    async def fork(self) -> SessionProcess:
        """One more session. Who asks first is served first.

        Raises:
            ProcessError
        """
        ours, theirs = Channel.pair()
        with theirs:
            try:
                self._channel.send(Fork(), theirs)
            except ChannelClosed:
                self.alive = False
                ours.close()
                raise ProcessError("The zygote is dead.") from None
        forked: asyncio.Future[SessionProcess] = asyncio.get_running_loop().create_future()
        self._waiting.append((forked, ours))
        try:
            async with asyncio.timeout(FORKING_S):
                return await forked
        except TimeoutError:
            self.alive = False
            raise ProcessError("The zygote does not answer.") from None
        except asyncio.CancelledError:
            if forked.done() and not forked.cancelled() and not forked.exception():
                forked.result().discard()
            raise

    def retire(self) -> None:
        """Have it end with its last session."""
        self._retired = True
        self._end_if_idle()

    async def ended(self) -> None:
        """Returns when it is dead."""
        await asyncio.shield(self._living)

    def _end_if_idle(self) -> None:
        if self._retired and self.idle:
            self._channel.close()

    async def _live(self) -> None:
        with suppress(ChannelClosed):
            while True:
                try:
                    message, files = await self._channel.receive()
                except MalformedMessage as error:
                    logger.error(f"the zygote is not understood: {error}")
                else:
                    self._hear(message, files)
                    self._end_if_idle()
        self.alive = False
        self._channel.close()
        for forked, channel in self._waiting:
            channel.close()
            if not forked.done():
                forked.set_exception(ProcessError("The zygote has died."))
        self._waiting.clear()
        try:
            async with asyncio.timeout(ENDING_S):
                code = await self._process.wait()
        except TimeoutError:
            self._process.kill()
            code = await self._process.wait()
        if not self._retired:
            logger.error(f"the zygote is dead (code {code}), and its sessions with it")

    def _hear(self, message: Any, files: list[int]) -> None:
        match message, files:
            case Forked(pid=pid), [pidfd]:
                forked, channel = self._waiting.popleft()
                process = self._watch(pid, channel, pidfd)
                if forked.done():
                    process.discard()
                else:
                    forked.set_result(process)
            case NotForked(why=why), []:
                forked, channel = self._waiting.popleft()
                channel.close()
                if not forked.done():
                    forked.set_exception(ProcessError(f"The system forks no more: {why}."))
            case Exited(pid=pid, code=code), []:
                if session := self._sessions.get(pid):
                    session.settle(code)
            case _:
                for each in files:
                    os.close(each)

    def _watch(self, pid: int, channel: Channel, pidfd: int) -> SessionProcess:
        self._sessions[pid] = session = _Session(self, pid, channel, pidfd)
        return session.process

    def forget(self, pid: int) -> None:
        """A session has ended."""
        del self._sessions[pid]
        self._end_if_idle()


class _Session:
    """Waits for the end of a session's process, which is not a child of the launcher."""

    def __init__(self, parent: Parent, pid: int, channel: Channel, pidfd: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._parent = parent
        self.process = SessionProcess(pid, channel, self._loop.create_future(), pidfd)
        self._pidfd = pidfd
        self._settled = False
        self._loop.add_reader(pidfd, self._dead)

    def _dead(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self._loop.call_later(CODE_S if self._parent.alive else 0, self.settle, KILLED)

    def settle(self, code: int) -> None:
        """It has ended, and how. What is said first counts."""
        if self._settled:
            return
        self._settled = True
        self._loop.remove_reader(self._pidfd)
        if not self._parent.alive:  # which would have done it
            kill_group(self.process.pid, self._pidfd)
        os.close(self._pidfd)
        if not self.process.gone.done():
            self.process.gone.set_result(code)
        self._parent.forget(self.process.pid)
