"""A vendor's state, apart from HTTP, and what it tells those who test with it."""

from __future__ import annotations

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Generic, Protocol, TypeVar

from .faults import Fault, Faults
from .knobs import Habits
from .playback import Said, Utterance
from .record import Interruption, Received, Record
from .sockets import Break, Hangup, Item


class Session(Protocol):
    """What every vendor has of a conversation."""

    @property
    def id(self) -> str: ...

    @property
    def running(self) -> bool:
        """Whether it costs money now."""

    @property
    def utterances(self) -> Sequence[Utterance]:
        """All that there ever were, in order."""

    @property
    def interruptions(self) -> list[Interruption]: ...

    @property
    def reading(self) -> asyncio.Event:
        """Cleared while the vendor does not read from its sockets."""

    def put(self, item: Item) -> None:
        """Puts something on the wire, whatever it is."""

    def end(self, reason: str) -> None: ...

    def behave(self, knobs: Any) -> None:
        """Takes other habits."""

    def told(self) -> dict[str, Any]:
        """Returns how it is, as `/_emulator/sessions` tells it."""


K = TypeVar("K", bound=Habits)
S = TypeVar("S", bound=Session)


class Vendor(ABC, Generic[K, S]):
    """A vendor.

    Attributes:
        knobs: How it behaves; `turn` changes them.
        record: Every call and message.
        sessions: Every session there ever was, by id.
        faults: What will go wrong.
        url: Its own address, once it listens.
    """

    def __init__(self, knobs: K, *, seed: int | None = None) -> None:
        self.knobs = knobs
        self.seed = secrets.randbits(32) if seed is None else seed
        self.record = Record()
        self.sessions: dict[str, S] = {}
        self.faults = Faults()
        self.url = ""
        self.random = Random(self.seed)

    @property
    @abstractmethod
    def title(self) -> list[str]:
        """What is printed when it listens: whom it lets in."""

    def told(self) -> dict[str, Any]:
        """Returns what there is to tell beside the sessions."""
        return {}

    def received(self, kind: str | None = None, session: str | None = None) -> list[Received]:
        """Returns the messages of clients: all, of one type, of one session."""
        return [
            each
            for each in self.record.received
            if kind in (None, each.kind) and session in (None, each.session)
        ]

    def heard(self, session: str | None = None) -> list[Said]:
        """Returns what was said in a session (the only one, if none is named) up to now."""
        now = asyncio.get_running_loop().time()
        return [Said.of(each, now) for each in self.session(session).utterances]

    def interruptions(self, session: str | None = None) -> list[Interruption]:
        """Returns the interrupts of a session, and what each of them met."""
        return self.session(session).interruptions

    def session(self, session_id: str | None = None) -> S:
        """Returns a session by its id; the only one if there is only one.

        Raises:
            LookupError: There is none, or several and none is named.
        """
        if session_id is not None:
            return self.sessions[session_id]
        if len(self.sessions) != 1:
            raise LookupError(f"there are {len(self.sessions)} sessions: name one")
        return next(iter(self.sessions.values()))

    def running(self) -> list[S]:
        """Returns the sessions that cost money now."""
        return [each for each in self.sessions.values() if each.running]

    async def until(self, holds: Callable[[], Any], timeout_s: float = 5.0) -> None:
        """Returns when a condition on all this holds; TimeoutError if it does not in time."""
        await self.record.until(holds, timeout_s)

    async def hears(
        self, seconds: float, session: str | None = None, timeout_s: float = 10.0
    ) -> None:
        """Returns when that much speech of a session was heard; TimeoutError if it is not."""

        def missing() -> float:
            return seconds - sum(each.seconds for each in self.heard(session))

        async with asyncio.timeout(timeout_s):
            while (more := missing()) > 1e-9:  # noqa: ASYNC110 - a play head moves without an event
                await asyncio.sleep(max(more / self.knobs.playback_speed, 1e-3))

    def turn(self, **changes: Any) -> None:
        """Turns knobs, for sessions that run as well."""
        self.knobs = self.knobs.turned(changes)
        for each in self.sessions.values():
            each.behave(self.knobs)

    def fail(self, call: str, **how: Any) -> None:
        """Lets the next reply of an operation go wrong: the fields of `Fault`."""
        self.faults.append(Fault(call, **how))

    def script(self, action: str, session: str | None = None, **how: Any) -> None:
        """Does something to a session, or to its socket.

        Args:
            action: `send` (with `text`: anything), `close` (with `code`), `break` (no close
                frame), `stall` (reads no more) or `read` (reads again), `end` (with `reason`).
            session: Its id, where there are several.
            how: As above.
        """
        target = self.session(session)
        match action:
            case "send":
                target.put(how["text"])
            case "close":
                target.put(Hangup(how.get("code", 1000)))
            case "break":
                target.put(Break())
            case "stall":
                target.reading.clear()
            case "read":
                target.reading.set()
            case "end":
                target.end(how.get("reason", "SERVER_ERROR"))
            case _:
                raise ValueError(f"no action is called {action}")

    def secret(self, kind: str) -> str:
        """Returns a new secret."""
        return f"{self.knobs.secret_prefix}{kind}-{secrets.token_hex(12)}"
