"""Where sessions run, as far as anybody who starts them has to know.

`local.LocalBackend` runs them on this machine. One for many machines would have the same face.

BackendError
├── Full           no place is left; says when to ask again
├── Draining       no more sessions are begun
├── StartFailed    the session's process did not come up
└── UnknownSession there is no such session, or not any more
"""

from __future__ import annotations

import enum
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from starlette.types import Receive, Scope, Send

Way = Literal["websocket", "webrtc", "daily", "livekit"]
"""How a person comes, by Pipecat's names."""


class BackendError(Exception):
    """A session cannot be had. The text is a sentence for whoever asked."""


class Full(BackendError):
    """No place is left."""

    def __init__(self, why: str = "Every place is taken.", *, retry_after_s: float = 5.0) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class Draining(BackendError):
    """No more sessions are begun."""

    def __init__(self) -> None:
        super().__init__("This server is about to stop.")


class StartFailed(BackendError):
    """The session's process did not come up; the log says why."""

    def __init__(self) -> None:
        super().__init__("The session could not be started.")


class UnknownSession(BackendError):
    """There is no such session, or not any more."""

    def __init__(self) -> None:
        super().__init__("There is no such session.")


class Why(enum.StrEnum):
    """Why a session has ended."""

    FINISHED = "finished"
    CRASHED = "crashed"
    NOBODY_CAME = "nobody came"
    STOPPED = "stopped"
    LONGEST_TIME = "longest time"
    MEMORY = "memory"
    HUNG = "hung"
    DRAINED = "drained"


class State(enum.StrEnum):
    """Where a session stands."""

    STARTING = "starting"
    WAITING = "waiting"  # its process is there, nobody has come yet
    TALKING = "talking"
    ENDING = "ending"


@dataclass(frozen=True, slots=True)
class Spec:
    """A session as it is asked for. All of it can be written as JSON.

    Attributes:
        session: Its id, ours.
        tenant: Who pays.
        way: How the person comes.
        longest_s: How long it may last, in seconds.
        arguments: What Pipecat's arguments for the way take besides, such as a room's address.
        body: What the caller gave for the bot.
        of_page: Whether our own page asked, which comes at once.
    """

    session: str
    tenant: str
    way: Way
    longest_s: float
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    body: Any = field(default=None, repr=False)
    of_page: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it stands. `began` is in seconds of the epoch."""

    id: str
    tenant: str
    way: Way
    state: State
    began: float
    pid: int | None


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many sessions there are, and how many there may be."""

    used: int
    most: int
    draining: bool


class Backend(Protocol):
    """Where sessions run."""

    async def start(self, spec: Spec) -> Session:
        """Begin a session; returns once a person can come.

        Raises:
            Full, Draining, StartFailed
        """

    async def forward(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an HTTP request (ASGI) where the session lives.

        Raises:
            UnknownSession: And then nothing was sent.
        """

    async def take(
        self, session: str, connection: socket.socket, head: bytes, admission: Mapping[str, Any]
    ) -> None:
        """Hand a TCP connection over to the session, with the WebSocket's request as it was read.

        Args:
            session: Its id.
            connection: Belongs to the session from here on.
            head: Request line and headers.
            admission: What the gate found out: `page`, whether our page is on the other side.

        Raises:
            UnknownSession: And then the connection is closed.
        """

    async def stop(self, session: str, why: Why = Why.STOPPED) -> None:
        """End a session in order; returns when it is gone.

        Raises:
            UnknownSession
        """

    def sessions(self) -> list[Session]:
        """All there are, oldest first."""

    def capacity(self) -> Capacity:
        """What is left."""

    async def drain(self, within_s: float) -> None:
        """Begin no more; returns when all have ended, which they do in time."""
