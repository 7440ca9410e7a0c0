"""One agent instance, from its creation to its deletion. Owns its timer, and no task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from random import Random
from typing import Any

import aiohttp

from ..playback import Utterance
from ..record import Interruption, Received, Record
from ..sockets import Item
from .agent_terms import Terms
from .conversation import Conversation, State
from .herald import Herald
from .knobs import Knobs
from .news import News, milliseconds
from .rooms import Rooms
from .turn import latency

ABSENT, REMOVED, PUBLISH_FAILED = 1202, 1203, 1206
"""Codes of deletions."""


class Instance:
    """What is paid for.

    Attributes:
        talk: What it hears and says.
        draining: Whether it is deleted once it is idle.
        sequence: The last one of its button.
    """

    def __init__(
        self,
        *,
        instance_id: str,
        terms: Terms,
        knobs: Knobs,
        random: Random,
        record: Record,
        news: News,
        rooms: Rooms,
        http: aiohttp.ClientSession,
        joined: Callable[[Instance], int],
    ) -> None:
        self.id = instance_id
        self.terms = terms
        self.draining = False
        self.interruptions: list[Interruption] = []
        self.created_at = self._now()
        self.ended_at: float | None = None
        self.end_code: int | None = None
        self.reading = asyncio.Event()
        self.sequence = 0
        self._knobs = knobs
        self._record = record
        self._rooms = rooms
        self._joined = joined
        self._herald = Herald(
            instance=instance_id, app_id=knobs.app_id, terms=terms, news=news, random=random
        )
        self.talk = Conversation(
            instance_id=instance_id,
            terms=terms,
            knobs=knobs,
            random=random,
            herald=self._herald,
            http=http,
            changed=self.tick,
        )
        ready_s = knobs.connected_delay_ms / 1_000 * random.uniform(1, 3)
        self._joins_at = inf if knobs.never_connected else self.created_at + ready_s
        self._drained_at = inf
        self._timer: asyncio.TimerHandle | None = None
        self._schedule()

    # What tests ask

    @property
    def avatar(self) -> Instance:
        """Itself, as a face that is asked how it is."""
        return self

    @property
    def state(self) -> State:
        return self.talk.state

    @property
    def posture(self) -> str:
        return self.talk.mouth.posture

    @property
    def running(self) -> bool:
        return self.state is not State.DELETED

    @property
    def utterances(self) -> list[Utterance]:
        return self.talk.mouth.utterances

    def told(self) -> dict[str, Any]:
        """Returns how it is, as `/_emulator/sessions` tells it."""
        return {
            "id": self.id,
            "service": f"agent, {self.terms.kind}",
            "avatar_id": self.terms.digital_human,
            "agent": self.terms.agent.id,
            "room": self.terms.room,
            "stream": self.terms.stream,
            "user": self.terms.user,
            "agent_user": self.terms.agent_user,
            "state": self.state.name,
            "created_at": self.created_at,
            "ended_at": self.ended_at,
            "end_code": self.end_code,
            "history": self.talk.history,
            "samples_heard": sum(each.heard(self._now()) for each in self.utterances),
        }

    def put(self, item: Item) -> None:
        """It has no socket."""

    def end(self, reason: str) -> None:
        self.delete(REMOVED)

    def behave(self, knobs: Knobs) -> None:
        self._knobs = knobs
        self.talk.behave(knobs)
        self.tick()

    # Its life

    def delete(self, code: int) -> None:
        """It leaves the room; `code` says why."""
        if self.state is State.DELETED:
            return
        self.talk.close()
        self.ended_at = self._now()
        self.end_code = code
        if code:
            self._herald.exception(code, "the instance is over", self.talk.round)
        told = {
            "Code": code,
            "DeletedTimestamp": milliseconds(),
            "LatencyData": latency(self.talk.turns),
        }
        self._herald.call("AgentInstanceDeleted", told)
        self._schedule()
        self._record.changed()

    def drain(self, timeout_s: float) -> None:
        """It is deleted once it is idle, or when that takes too long."""
        self.draining = True
        self._drained_at = self._now() + timeout_s
        self.tick()

    def tick(self, due: float = 0.0) -> None:
        """Does what is due; a timer is never early, even if the clock says so by a hair."""
        if self.state is State.DELETED:
            return
        now = max(due, self._now())
        if self._joins_at <= now:
            self._join()
        self.talk.advance(now)
        if self.draining and (self.state in (State.JOINING, State.IDLE) or self._drained_at <= now):
            self.delete(0)
        elif self._absent_at() <= now:
            self.delete(ABSENT)
        self._schedule()
        self._record.changed()

    def _join(self) -> None:
        self._joins_at = inf
        if code := self._joined(self):
            self.delete(code)
            return
        self.talk.state = State.IDLE
        self._herald.call("AgentInstanceCreated", {"CreatedTimestamp": milliseconds()})

    def _absent_at(self) -> float:
        idle_s = self.terms.idle_s / self._knobs.deadline_speed
        if self.terms.kind == "live":
            return inf if self.talk.turn else self.talk.told_at + idle_s
        user = self.terms.user
        return self._rooms.absent_since(self.terms.room, user, self.created_at) + idle_s

    def _schedule(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self.state is State.DELETED:
            return
        due = min(self._joins_at, self.talk.mouth.due(), self._drained_at, self._absent_at())
        if due < inf:
            self._timer = asyncio.get_running_loop().call_at(due, self.tick, due)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # The person, and the client

    def hears(self, text: str, seconds: float) -> None:
        """The user says something, that long; who is silent afterwards is answered.

        Raises:
            ValueError: The user is not in the room.
        """
        if self.terms.user not in self._rooms.people(self.terms.room):
            raise ValueError("the user is not in the room")
        self.talk.hears(text, seconds)

    def interrupt(self) -> int:
        """Forgets what it says and was to say."""
        self.tick()
        now = self._now()
        self.interruptions.append(Interruption(now, None, *self.talk.mouth.unheard(now)))
        received = Received(now, self.id, "InterruptAgentInstance", 0, None, 0, True)
        self._record.received.append(received)
        self.talk.interrupt()
        return self.talk.round
