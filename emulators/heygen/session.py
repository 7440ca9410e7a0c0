"""One session: its avatar, its deadlines, its sockets. Owns the timer, and no task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Any, Literal

from ..delays import Delays
from ..playback import Utterance
from ..record import Interruption, Received, Record, Sent
from ..sockets import Break, Hangup, Item, Outbox
from ..weather import About, arrivals
from . import commands as c
from .avatar import DEAF, Avatar, State
from .dialect import Encoder, Message
from .events import Event, SessionState
from .knobs import Knobs
from .lifetime import Lifetime, Meter

Service = Literal["liveavatar", "interactive"]


@dataclass(slots=True)
class Terms:
    """What a session was asked for."""

    service: Service
    avatar_id: str
    sandbox: bool
    limit_s: float
    idle_s: float
    request: dict[str, Any] = field(repr=False)
    own_room: bool = False


class Session:
    """From its token to its end.

    Attributes:
        started_at: Since when it is paid for; None before `start`.
        ended_at: Until when.
        end_reason: One of the vendor's own words.
        reading: Cleared while the vendor does not read from the socket.
    """

    def __init__(
        self,
        *,
        number: int,
        session_id: str,
        token: str,
        address: str,
        terms: Terms,
        meter: Callable[[float], Meter],
        knobs: Knobs,
        random: Random,
        record: Record,
    ) -> None:
        self.number = number
        self.id = session_id
        self.token = token
        self.address = address
        self.terms = terms
        self.record = record
        self.avatar = Avatar(knobs, Delays.draw(knobs, random))
        self.interruptions: list[Interruption] = []
        self.created_at = self._now()
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.end_reason: str | None = None
        self.reading = asyncio.Event()
        self.reading.set()
        self._knobs = knobs
        self._random = random
        self._encoder = Encoder(knobs.dialect)
        self._new_meter = meter
        self._meter: Meter | None = None
        self._lifetime: Lifetime | None = None
        self._connects_at = inf
        self._outboxes: list[Outbox] = []
        self._opened = 0
        self._timer: asyncio.TimerHandle | None = None

    # Its life

    @property
    def running(self) -> bool:
        return self.started_at is not None and self.ended_at is None

    @property
    def utterances(self) -> list[Utterance]:
        return self.avatar.utterances

    @property
    def minutes_charged(self) -> int:
        return self._meter.charged if self._meter else 0

    def seconds(self, now: float) -> float:
        """How long it ran up to now, which is what is paid for."""
        if self.started_at is None:
            return 0.0
        return (now if self.ended_at is None else self.ended_at) - self.started_at

    def start(self) -> None:
        """The vendor begins to count."""
        now = self.started_at = self._now()
        told = self.terms.sandbox or self._knobs.at_limit == "close"
        self._lifetime = Lifetime(
            started_at=now,
            limit_s=self.terms.limit_s,
            idle_s=self.terms.idle_s,
            abandoned_s=self._knobs.abandoned_seconds,
            active_at=now,
            unattended_since=now,
            mute_s=0.0 if told else self._knobs.mute_seconds,
        )
        self._meter = self._new_meter(now)
        self.tick()

    def told(self) -> dict[str, Any]:
        """Returns how it is, as `/_emulator/sessions` tells it."""
        now = self._now()
        return {
            "id": self.id,
            "service": self.terms.service,
            "avatar_id": self.terms.avatar_id,
            "sandbox": self.terms.sandbox,
            "state": self.avatar.state.name,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "end_reason": self.end_reason,
            "seconds_billed": 0.0 if self.terms.sandbox else self.seconds(now),
            "credits": self.minutes_charged,
            "samples_heard": sum(each.heard(now) for each in self.avatar.utterances),
        }

    def keep_alive(self) -> None:
        """Something was heard of the client."""
        if self._lifetime:
            self._lifetime.active_at = self._now()
        self._schedule()

    def end(self, reason: str) -> None:
        """It is over, and costs nothing any more."""
        if self.ended_at is not None:
            return
        now = self._now()
        self._tell(self.avatar.advance(now))
        self.ended_at = now
        self.end_reason = reason
        self._tell(self.avatar.disconnect(now))
        self._schedule()
        self.record.changed()

    def behave(self, knobs: Knobs) -> None:
        """Other knobs from now on. Delays that were drawn stay."""
        self._knobs = self.avatar.knobs = knobs
        self._encoder.dialect = knobs.dialect
        self.tick()

    # Its sockets

    def may_attach(self) -> bool:
        return self.running and (self._knobs.redial == "allow" or not self._opened)

    def attach(self) -> Outbox:
        """A socket has opened: events go there from now on."""
        outbox: Outbox = asyncio.Queue()
        self._outboxes.append(outbox)
        self._opened += 1
        if self._lifetime:
            self._lifetime.unattended_since = None
        if self.avatar.state is State.NEW:
            self._tell([SessionState("new")])
            if not self._knobs.never_connected:
                self._connects_at = self._now() + self._knobs.connected_delay_ms / 1_000
        else:
            self._tell([SessionState("connected")])
        if self._knobs.close_after_ms:
            end = Hangup(self._knobs.close_code) if self._knobs.close_code else Break()
            loop = asyncio.get_running_loop()
            loop.call_later(self._knobs.close_after_ms / 1_000, outbox.put_nowait, end)
        self._schedule()
        return outbox

    def detach(self, outbox: Outbox) -> None:
        """That socket is gone. The session is not, and goes on costing."""
        self._outboxes.remove(outbox)
        if self._lifetime and not self._outboxes:
            self._lifetime.unattended_since = self._now()
        self._schedule()
        self.record.changed()

    def put(self, item: Item) -> None:
        """Puts something on the wire, whatever it is."""
        if self._outboxes:
            self._outboxes[-1].put_nowait(item)

    # What comes in

    def receive(self, text: str | bytes) -> None:
        """Takes one message of a client."""
        now = self._now()
        self.tick()
        kind, command = c.parse(text, self._knobs.packet_limit)
        taken = self.avatar.state not in DEAF
        audio = len(getattr(command, "audio", b""))
        self.record.received.append(
            Received(now, self.id, kind, len(text), command.event_id, audio, taken)
        )
        if audio and taken:
            self._note_audio(command.event_id, audio, now)
        if isinstance(command, c.Interrupt) and taken:
            self._note_interrupt(command, now)
        if self._lifetime and taken:
            self._lifetime.active_at = now
        self.do(command, now)

    def do(self, command: c.Command, now: float | None = None) -> None:
        """Does what a client asks for, on the socket or by REST."""
        self._tell(self.avatar.take(command, self._now() if now is None else now))
        self._schedule()
        self.record.changed()

    def _note_interrupt(self, command: c.Interrupt, now: float) -> None:
        queue = self.avatar.queue
        unheard = sum(each.samples - each.heard(now) for each in queue)
        ids = frozenset().union(*(each.event_ids for each in queue))
        self.interruptions.append(Interruption(now, command.event_id, unheard, ids))

    def _note_audio(self, event_id: str | None, size: int, now: float) -> None:
        for each in self.interruptions:
            if event_id in each.cut_ids:
                each.late_bytes += size
        if self.interruptions and self.interruptions[-1].next_audio_at is None:
            self.interruptions[-1].next_audio_at = now

    # Time

    def tick(self, due: float = 0.0) -> None:
        """Does what is due; a timer is never early, even if the clock says so by a hair."""
        if self.ended_at is not None:
            return
        now = max(due, self._now())
        if self._connects_at <= now:
            self._connects_at = inf
            self._tell(self.avatar.connect())
        self._tell(self.avatar.advance(now))
        if self._lifetime and self._meter:
            if self._lifetime.mutes_at() <= now and self.avatar.state is not State.MUTE:
                self.avatar.mute(self._lifetime.mutes_at())
            if reason := self._lifetime.reason(now):
                self.end(reason)
            elif not self._meter.charge(now):
                self.end("NO_CREDITS")
        self._schedule()
        self.record.changed()

    def _schedule(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self.ended_at is not None:
            return
        due = min(self._connects_at, self.avatar.due())
        if self._lifetime and self._meter:
            due = min(due, self._lifetime.due(), self._meter.due())
            if self.avatar.state is not State.MUTE:
                due = min(due, self._lifetime.mutes_at())
        if due < inf:
            self._timer = asyncio.get_running_loop().call_at(due, self.tick, due)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # What goes out

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Hangup):
                self._later(event, 0.0)
            for message in self._encoder.encode(event):
                for delay_s in arrivals(_about(message), self._knobs, self._random):
                    self._later(message, delay_s)

    def _later(self, item: Message | Hangup, delay_s: float) -> None:
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, self._now_out, item)
        else:
            self._now_out(item)

    def _now_out(self, item: Message | Hangup) -> None:
        if isinstance(item, dict):
            self.record.sent.append(Sent(self._now(), self.id, item["type"], item))
        self.put(item)
        self.record.changed()


def _about(message: Message) -> About:
    if message["type"] == "agent.speak_ended":
        return "end of speech"
    return "speech" if message["type"].startswith("agent.") else "session"
