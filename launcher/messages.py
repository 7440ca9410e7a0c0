"""What launcher and process say to each other, one message per datagram, with open files beside.

Messages are dataclasses; on the wire they are `{"type": name, …fields}` in JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Launcher → zygote


@dataclass(frozen=True, slots=True)
class Fork:
    """Start a process for a session. Beside it: its end of the channel."""


# Zygote → launcher


@dataclass(frozen=True, slots=True)
class Loaded:
    """The bot is loaded, or not. Each of the texts is a sentence.

    Attributes:
        files: What it consists of.
        obstacle: Why it cannot be forked.
        error: Why it cannot be loaded at all.
        warning: Why it could not be rehearsed.
    """

    files: Sequence[str] = ()
    obstacle: str | None = None
    error: str | None = None
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Forked:
    """A process is there. Beside it: a pidfd."""

    pid: int


@dataclass(frozen=True, slots=True)
class NotForked:
    """The system has no room for one more process."""

    why: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A process is gone: its exit code, or the number of the signal, negative."""

    pid: int
    code: int


# Launcher → session's process


@dataclass(frozen=True, slots=True)
class Run:
    """Be this session. Beside it: the listening socket of its server, and its log file."""

    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Take:
    """A WebSocket for the session. Beside it: its connection."""

    head: str  # as it was read, latin-1
    admission: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you well?"""


@dataclass(frozen=True, slots=True)
class SayGoodbye:
    """Come to an end: tell the person so."""

    text: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Come to an end now."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket for the next connection of the session."""

    ticket: str


# Session's process → launcher. One of the pool says first, as a zygote does, that it is `Loaded`.


@dataclass(frozen=True, slots=True)
class Serving:
    """The session's server answers: a person can come."""


@dataclass(frozen=True, slots=True)
class Talking:
    """A pipeline has started."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The event loop turns."""

    memory_mb: float  # private to this process


@dataclass(frozen=True, slots=True)
class WantsTicket:
    """The page will need a ticket for its next connection."""
