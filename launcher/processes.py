"""Where the processes of sessions come from: `zygote.Zygote` forks them, `pool.Pool` keeps some."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from .channel import Channel


class ProcessError(Exception):
    """A process cannot be had. The text is a sentence for the log."""


@dataclass(frozen=True, slots=True)
class SessionProcess:
    """A process that waits to be told which session it is (`messages.Run`).

    Attributes:
        pid: Its number, which is also that of its process group.
        channel: To talk with it.
        gone: Done when it is dead, with its exit code, or the signal's number, negative.
    """

    pid: int
    channel: Channel
    gone: asyncio.Future[int]

    def kill(self) -> None:
        """Kill it and all that it has started. Does nothing to one that is gone."""
        raise NotImplementedError


class Processes(Protocol):
    """A source of processes."""

    async def take(self) -> SessionProcess:
        """A process that has loaded the bot.

        Raises:
            ProcessError
        """

    async def close(self) -> None:
        """Start no more, and end those that wait. Those that are taken go on until they end."""
