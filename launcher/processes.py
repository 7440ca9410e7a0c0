"""Where the processes of sessions come from: `zygote.Zygote` forks them, `pool.Pool` keeps some.

ProcessError     a process cannot be had
├── BotBroken    the bot cannot be loaded
└── CannotFork   it can, but not be forked
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from loguru import logger

from .channel import Channel
from .loading import SERVER

Mode = Literal["auto", "fork", "spawn"]


class ProcessError(Exception):
    """A process cannot be had. The text is a sentence for the log."""


class BotBroken(ProcessError):
    """The bot cannot be loaded.

    Attributes:
        files: Where the mistake may be.
    """

    def __init__(self, why: str, files: Iterable[str] = ()) -> None:
        super().__init__(why)
        self.files = tuple(files)


class CannotFork(ProcessError):
    """The bot can be loaded, but not be forked."""


@dataclass(frozen=True, slots=True)
class SessionProcess:
    """A process that waits to be told which session it is (`messages.Run`).

    Attributes:
        pid: Its number, which is also that of its process group.
        channel: To talk with it; whoever took the process closes it.
        gone: Done when it is dead, with its exit code, or the signal's number, negative.
        pidfd: What stands for this very process, whoever has its number later. None where the
            system has no such thing. Closed with `gone`.
    """

    pid: int
    channel: Channel
    gone: asyncio.Future[int]
    pidfd: int | None = field(default=None, repr=False)

    def kill(self) -> None:
        """Kill it and all that it has started; when it is gone, what it has left."""
        kill_group(self.pid, None if self.gone.done() else self.pidfd, gone=self.gone.done())

    def discard(self) -> None:
        """Nobody gets it."""
        self.kill()
        self.channel.close()


class Processes(Protocol):
    """A source of processes."""

    async def take(self) -> SessionProcess:
        """A process that has loaded the bot.

        Raises:
            ProcessError
        """

    async def close(self) -> None:
        """Start no more, and end those that wait. Those that are taken go on until they end."""


async def processes(
    bot: Path, mode: Mode = "auto", *, warm: int = 2, server: str = SERVER
) -> Processes:
    """A source that works here: forked from a zygote, or else a pool, and the log says why.

    Call it in the main thread: what it starts dies with the thread that has started it.

    Args:
        bot: The bot's file.
        mode: `fork` and `spawn` allow no other.
        warm: How many processes a pool keeps.
        server: The class of a session's server: module and name.

    Raises:
        ProcessError: The bot cannot be loaded; or not be forked, and that is what was asked for.
    """
    from .pool import Pool  # they know this module
    from .zygote import Zygote

    if mode != "spawn":
        zygote = Zygote(bot, server=server)
        try:
            await zygote.start()
        except CannotFork as obstacle:
            if mode == "fork":
                raise
            logger.warning(f"Sessions are not forked, {warm} processes wait instead: {obstacle}")
        else:
            return zygote
    pool = Pool(bot, warm=warm, server=server)
    await pool.start()
    return pool


def kill_group(pid: int, pidfd: int | None, *, gone: bool = False) -> None:
    """Kill a process and its group, dead or not, and nobody who has got its number since."""
    if pidfd is not None:
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        except ProcessLookupError:
            gone = True
    # Once it is buried, nobody gets its number while something of its group is left.
    if gone and Path(f"/proc/{pid}").exists():
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
