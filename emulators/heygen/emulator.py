"""The vendor: its accounts, its sessions, what it is told to do wrong, and what it has seen."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .events import Hangup
from .knobs import Knobs
from .lifetime import Account, Meter
from .playback import RATE_HZ, SAMPLE_BYTES, Segment
from .record import Interruption, Received, Record
from .session import Break, Service, Session, Terms

if TYPE_CHECKING:  # LiveKit's client is loaded where rooms are asked for
    from .rooms import Rooms


@dataclass(slots=True)
class Fault:
    """A reply that goes wrong.

    Attributes:
        call: Which operation: `token`, `start`, `stop`, `streaming.new` and so on, or `*`.
        status: HTTP status; 0 for a connection that ends without a reply; None for a reply that
            is only late.
        body: What is answered instead of the vendor's own envelope.
        times: How often.
        delay_s: How late.
        headers: Such as `Retry-After`.
        done: Whether the operation takes effect before the reply goes wrong.
    """

    call: str
    status: int | None = 500
    body: Any = None
    times: int = 1
    delay_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    done: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """One utterance, as it was heard.

    Attributes:
        received: Samples that came.
        samples: Samples that were heard.
        segments: When: each without a gap.
    """

    task: str
    source: str | None
    opened_at: float
    received: int
    samples: int
    cut: bool
    started_at: float | None
    ended_at: float | None
    segments: list[Segment]
    _audio: bytearray = field(repr=False)

    @property
    def audio(self) -> bytes:
        """The samples that were heard, where samples are kept."""
        return bytes(self._audio[: self.samples * SAMPLE_BYTES])

    @property
    def seconds(self) -> float:
        """How long it was heard."""
        return self.samples / RATE_HZ


class Emulator:
    """The vendor's state, apart from HTTP.

    Attributes:
        knobs: How it behaves; `turn` changes them.
        record: Every call and message.
        sessions: Every session there ever was, by id.
        url: Its own address, once it listens.
        rooms: Where the avatars are seen and heard, if they are.
    """

    def __init__(
        self,
        knobs: Knobs | None = None,
        *,
        seed: int | None = None,
        rooms: Rooms | None = None,
    ) -> None:
        self.knobs = knobs or Knobs()
        self.seed = secrets.randbits(32) if seed is None else seed
        self.record = Record()
        self.sessions: dict[str, Session] = {}
        self.faults: list[Fault] = []
        self.tokens: set[str] = set()
        self.url = ""
        self.rooms = rooms
        self.accounts: dict[Service, Account] = {
            "liveavatar": Account(self.knobs.credits),
            "interactive": Account(self.knobs.credits),
        }
        self._random = Random(self.seed)
        self._window = (0, Counter[tuple[str, str]]())

    # For tests

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
        return [
            Said(
                task=each.task,
                source=each.source,
                opened_at=each.opened_at,
                received=each.samples,
                samples=each.heard(now),
                cut=each.cut,
                started_at=each.started_at,
                ended_at=each.ended_at,
                segments=each.segments(now),
                _audio=each.audio,
            )
            for each in self.session(session).avatar.utterances
        ]

    def interruptions(self, session: str | None = None) -> list[Interruption]:
        """Returns the interrupts of a session, and what each of them met."""
        return self.session(session).interruptions

    def session(self, session_id: str | None = None) -> Session:
        """Returns a session by its id; the only one if there is only one.

        Raises:
            LookupError: There is none, or several and none is named.
        """
        if session_id is not None:
            return self.sessions[session_id]
        if len(self.sessions) != 1:
            raise LookupError(f"there are {len(self.sessions)} sessions: name one")
        return next(iter(self.sessions.values()))

    def running(self) -> list[Session]:
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
            each.turn(self.knobs)

    def fail(self, call: str, **how: Any) -> None:
        """Lets the next reply of an operation go wrong: the fields of `Fault`."""
        self.faults.append(Fault(call, **how))

    def script(self, action: str, session: str | None = None, **how: Any) -> None:
        """Does something to a session's socket.

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

    # For the services

    def open(self, terms: Terms) -> Session:
        """Makes a session that is not started, and costs nothing yet."""
        random = Random(self._random.getrandbits(64))
        session_id = str(UUID(int=self._random.getrandbits(128), version=4))
        account = self.accounts[terms.service]
        session = Session(
            number=len(self.sessions),
            session_id=session_id,
            token=self.secret("session"),
            address=self.secret("socket"),
            terms=terms,
            meter=lambda now: Meter(account, now, free=terms.sandbox),
            knobs=self.knobs,
            random=random,
            record=self.record,
        )
        self.sessions[session_id] = session
        return session

    def secret(self, kind: str) -> str:
        """Returns a new secret."""
        return f"{self.knobs.secret_prefix}{kind}-{secrets.token_hex(12)}"

    def start(self, session: Session) -> None:
        """The vendor begins to count, and the avatar goes into its room."""
        session.start()
        if self.rooms:
            self.rooms.open(session)

    def room(self, session: Session) -> tuple[str, str, str]:
        """Returns a session's room: where it is, the client's token, the agent's."""
        if self.rooms:
            tokens = self.rooms.client_token(session), self.rooms.agent_token(session)
            return self.rooms.url, *tokens
        return self.knobs.livekit_url, self.secret("viewer"), self.secret("agent")

    def key(self, service: Service) -> str:
        """Returns the API key that a service accepts."""
        own = self.knobs.liveavatar_key if service == "liveavatar" else self.knobs.heygen_key
        return f"{self.knobs.secret_prefix}{own}"

    def by_token(self, service: Service, token: str | None) -> Session | None:
        """Returns the session of a service that a token is for."""
        found = (each for each in self.sessions.values() if each.terms.service == service)
        return next((each for each in found if each.token == token), None)

    def by_address(self, address: str) -> Session | None:
        """Returns the session whose socket has this address."""
        return next((each for each in self.sessions.values() if each.address == address), None)

    def is_full(self, service: Service) -> bool:
        limit = self.knobs.concurrency_limit
        count = sum(each.terms.service == service for each in self.running())
        return bool(limit) and count >= limit

    def socket_url(self, session: Session, host: str) -> str | None:
        """Returns where a session's socket is, as `start` answers it."""
        if self.knobs.omit_ws_url:
            return None
        path = f"/v2-alpha/interactive-avatar/session/{session.address}"
        return self.knobs.ws_url or f"ws://{host}{path}"

    def next_fault(self, call: str) -> Fault | None:
        """Returns what goes wrong with this call, and counts it."""
        for fault in self.faults:
            if fault.call in (call, "*"):
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                return fault
        return None

    def is_too_fast(self, call: str, credential: str) -> bool:
        """Counts a call; True if it is one too many in its window of a second."""
        if not self.knobs.rate_limit:
            return False
        second = int(asyncio.get_running_loop().time())
        if self._window[0] != second:
            self._window = (second, Counter())
        self._window[1][call, credential] += 1
        return self._window[1][call, credential] > self.knobs.rate_limit
