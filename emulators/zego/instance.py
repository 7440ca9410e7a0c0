"""One agent instance: it listens, thinks and speaks. Owns its timers, and the asking of its LLM."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from enum import Enum, auto
from math import inf
from random import Random
from typing import Any

import aiohttp

from ..delays import Delays
from ..playback import Utterance
from ..record import Interruption, Received, Record
from ..sockets import Item
from . import brain
from .agent_terms import PRIORITIES, Terms
from .avatar import DRIVING, Avatar, DriveStatus
from .avatar import State as Mouth
from .codes import Code, Refused
from .drive import Form
from .herald import Herald
from .knobs import Knobs
from .news import News, milliseconds
from .rooms import Rooms
from .turn import Turn

ABSENT, REMOVED, PUBLISH_FAILED, NOTHING_SAID = 1202, 1203, 1206, 1004
"""Codes of exceptions and deletions."""

BY_VOICE, BY_LLM, BY_TTS, BY_CALL = 1, 2, 3, 4
"""Reasons of `Interrupted`."""

MEDIUM = PRIORITIES.index("Medium")
HIGH = PRIORITIES.index("High")
_MOST_WAITING = 5


class State(Enum):
    """Where an instance is."""

    JOINING = auto()
    IDLE = auto()
    LISTENING = auto()
    THINKING = auto()
    SPEAKING = auto()
    DELETED = auto()

    @property
    def told(self) -> str:
        """Its name in the API: who joins is idle."""
        return "IDLE" if self is State.JOINING else self.name

    @property
    def joined(self) -> bool:
        return self not in (State.JOINING, State.DELETED)

    @property
    def number(self) -> int:
        return ["IDLE", "LISTENING", "THINKING", "SPEAKING"].index(self.told)


class Instance:
    """From its creation to its deletion.

    Attributes:
        history: What was said, oldest first.
        turn: What it answers or says now.
        waiting: What it will say next.
        draining: Whether it is deleted once it is idle.
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
        self.state = State.JOINING
        self.history = list(terms.messages)
        self.turn: Turn | None = None
        self.waiting: list[Turn] = []
        self.draining = False
        self.interruptions: list[Interruption] = []
        self.created_at = self._now()
        self.ended_at: float | None = None
        self.end_code: int | None = None
        self.reading = asyncio.Event()
        self.round = 0
        self.sequence = 0
        self._knobs = knobs
        self._record = record
        self._rooms = rooms
        self._http = http
        self._joined = joined
        self._herald = Herald(
            instance=instance_id, app_id=knobs.app_id, terms=terms, news=news, random=random
        )
        self._mouth = Avatar(_patient(knobs), Delays.draw(knobs, random))
        self._mouth.state = Mouth.IDLE
        ready_s = knobs.connected_delay_ms / 1_000 * random.uniform(1, 3)
        self._joins_at = inf if knobs.never_connected else self.created_at + ready_s
        self._drained_at = inf
        self._told_at = self.created_at
        self._heard_words = ""
        self._listening: list[asyncio.Handle] = []
        self._thinking: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._schedule()

    # What tests ask

    @property
    def avatar(self) -> Instance:
        """Itself, as a face that is asked how it is."""
        return self

    @property
    def posture(self) -> str:
        return self._mouth.posture

    @property
    def running(self) -> bool:
        return self.state is not State.DELETED

    @property
    def utterances(self) -> list[Utterance]:
        return self._mouth.utterances

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
            "history": self.history,
            "samples_heard": sum(each.heard(self._now()) for each in self.utterances),
        }

    def put(self, item: Item) -> None:
        """It has no socket."""

    def end(self, reason: str) -> None:
        self.delete(REMOVED)

    def behave(self, knobs: Knobs) -> None:
        self._knobs, self._mouth.knobs = knobs, _patient(knobs)
        self.tick()

    # Its life

    def delete(self, code: int) -> None:
        """It leaves the room; `code` says why."""
        if self.state is State.DELETED:
            return
        self._mouth.interrupt(self._now())
        self._forget()
        for each in self._listening:
            each.cancel()
        self.state = State.DELETED
        self.ended_at = self._now()
        self.end_code = code
        if code:
            self._herald.exception(code, "the instance is over", self.round)
        latency = {"LLMTTFT": 0, "LLMTPS": 0, "TTSAudioFirstFrameTime": 0, "TotalCost": 0}
        told = {"Code": code, "DeletedTimestamp": milliseconds(), "LatencyData": latency}
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
        self._speak_on(self._mouth.advance(now))
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
        self.state = State.IDLE
        self._herald.call("AgentInstanceCreated", {"CreatedTimestamp": milliseconds()})

    def _absent_at(self) -> float:
        idle_s = self.terms.idle_s / self._knobs.deadline_speed
        if self.terms.kind == "live":
            return inf if self.turn else self._told_at + idle_s
        user = self.terms.user
        return self._rooms.absent_since(self.terms.room, user, self.created_at) + idle_s

    def _schedule(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self.state is State.DELETED:
            return
        due = min(self._joins_at, self._mouth.due(), self._drained_at, self._absent_at())
        if due < inf:
            self._timer = asyncio.get_running_loop().call_at(due, self.tick, due)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # The person

    def hears(self, text: str, seconds: float) -> None:
        """The user says something, that long; who is silent afterwards is answered.

        Raises:
            ValueError: The user is not in the room.
        """
        if self.terms.user not in self._rooms.people(self.terms.room):
            raise ValueError("the user is not in the room")
        words, loop = text.split(), asyncio.get_running_loop()
        for each in self._listening:
            each.cancel()
        self._listening.clear()
        if not self.terms.walkie_talkie:
            self.begin_listening(voice=True)
            ends_s = seconds + self.terms.silence_s
            self._listening.append(loop.call_later(ends_s, self.end_listening, seconds))
        for count in range(1, len(words) + 1):
            after_s = seconds * count / len(words)
            said = " ".join(words[:count])
            self._listening.append(loop.call_later(after_s, self._recognise, said))

    def begin_listening(self, *, voice: bool) -> None:
        """The user speaks, or presses the button to."""
        self.tick()
        if self.state is State.LISTENING or self.state in (State.JOINING, State.DELETED):
            return
        busy = self.turn is not None
        if busy and voice and not (self.terms.can_be_cut and self._priority() < HIGH):
            return
        before = self.round
        self.round = self._herald.new_round()
        self._heard_words = ""
        self._herald.speaks(self.round, begins=True)
        if busy:
            self._interrupt(BY_VOICE)
            self._enter(State.IDLE, before, "interrupted")
        self._enter(State.LISTENING, self.round, "user_speak")
        self._record.changed()

    def _recognise(self, text: str) -> None:
        if self.state is State.LISTENING:
            self._heard_words = text
            self._herald.recognised(self.round, text)

    def end_listening(self, seconds: float = 0.0) -> None:
        """The user was silent for long enough, or let go of the button."""
        if self.state is not State.LISTENING:
            return
        text = self._heard_words
        self._herald.recognised(self.round, text, whole=True)
        self._herald.speaks(self.round, begins=False)
        if seconds >= 1:
            self._herald.sound(self.round)
        if not text:
            self._herald.exception(NOTHING_SAID, "no words", self.round)
            self._enter(State.IDLE, self.round, "no_words")
            return
        self._herald.about_user("ASRResult", self.round, Text=text)
        self.history.append({"Role": "user", "Content": text})
        self._begin(self._new("voice", text, MEDIUM, number=self.round))

    # What the API asks for

    def say(self, text: str, priority: int, *, enqueue: bool, keeps: bool) -> int:
        """Speaks this."""
        if self.terms.mute:
            raise Refused(Code.TTS_CALL_FAILED, "it has no voice")
        turn = self._new("tts", text, priority, keeps_answer=keeps)
        return self._ask(turn, enqueue, Code.TTS_CALL_FAILED, BY_TTS)

    def answer(
        self, text: str, priority: int, *, enqueue: bool, system: str, asked: bool, keeps: bool
    ) -> int:
        """Asks the LLM this, and speaks the answer."""
        turn = self._new("llm", text, priority, system=system, keeps_answer=keeps)
        number = self._ask(turn, enqueue, Code.LLM_CALL_FAILED, BY_LLM)
        if asked:
            self.history.append({"Role": "user", "Content": text})
        return number

    def interrupt(self) -> int:
        """Forgets what it says and was to say."""
        self.tick()
        now = self._now()
        self.interruptions.append(Interruption(now, None, *self._mouth.unheard(now)))
        received = Received(now, self.id, "InterruptAgentInstance", 0, None, 0, True)
        self._record.received.append(received)
        if self.turn:
            self._interrupt(BY_CALL)
            self._enter(State.IDLE, self.round, "interrupted")
        self._schedule()
        self._record.changed()
        return self.round

    def _ask(self, turn: Turn, enqueue: bool, failed: Code, reason: int) -> int:
        self.tick()
        self._told_at = self._now()
        if self.state is State.JOINING:
            return turn.number  # and nobody hears of it
        if self.state is State.LISTENING and turn.priority < HIGH:
            raise Refused(Code.AGENT_LISTENS)
        if self.turn and turn.priority < self._priority():
            raise Refused(failed, "something more important is said")
        if self.turn and enqueue and turn.priority == self._priority():
            if len(self.waiting) >= _MOST_WAITING:
                raise Refused(failed, "too much is waiting")
            self.waiting.append(turn)
            return turn.number
        if self.turn:
            self._interrupt(reason)
        self._begin(turn)
        return turn.number

    def _new(
        self,
        kind: Any,
        text: str,
        priority: int,
        *,
        number: int | None = None,
        system: str = "",
        keeps_answer: bool = True,
    ) -> Turn:
        return Turn.new(
            self._herald.new_round() if number is None else number,
            kind,
            text,
            priority=priority,
            ms_per_letter=self._knobs.text_ms,
            now=self._now(),
            system=system,
            keeps_answer=keeps_answer,
        )

    def _priority(self) -> int:
        return self.turn.priority if self.turn else -1

    # Speaking

    def _begin(self, turn: Turn) -> None:
        self.turn = turn
        self.round = turn.number
        self._mouth.drives[turn.drive.id] = turn.drive
        self._mouth.start(turn.drive, Form(), self._now())
        if turn.kind == "tts":
            self._enter(State.SPEAKING, turn.number, "tts_begin")
            self._take(turn, turn.text, first=True)
            self._complete(turn)
        else:
            self._enter(State.THINKING, turn.number, "llm_begin")
            turn.asked_at = self._now()
            turn.thinking = asyncio.create_task(self._think(turn), name=f"think {self.id}")
            self._thinking.add(turn.thinking)
            turn.thinking.add_done_callback(self._thinking.discard)
        self._schedule()
        self._record.changed()

    async def _think(self, turn: Turn) -> None:
        """Asks the LLM, and speaks as it answers."""
        first = True
        try:
            async for piece in self._pieces(turn):
                self._take(turn, piece, first=first)
                first = False
        except brain.Mute as mute:
            self._herald.exception(mute.code, str(mute), self.round)
            if turn is self.turn:
                self._mouth.interrupt(self._now())
                self._over(turn)
            self._schedule()
            return
        self._complete(turn)

    def _pieces(self, turn: Turn) -> AsyncIterator[str]:
        """Returns what the LLM answers."""
        if self._knobs.llm == "parrot":
            return brain.parrot(turn.text)
        llm = self.terms.blocks.get("LLM", {})
        info = {
            "room_id": self.terms.room,
            "agent_instance_id": self.id,
            "agent_user_id": self.terms.agent_user,
            "user_id": self.terms.user,
            "round_id": turn.number,
        }
        window = self.history[-self.terms.window :] if self.terms.window else []
        system = turn.system or llm.get("SystemPrompt", "")
        body = brain.request(llm, brain.messages(system, window, turn.text), info)
        return brain.answer(self._http, llm, body, self._knobs.llm_timeout_s)

    def _take(self, turn: Turn, piece: str, *, first: bool) -> None:
        if turn is not self.turn:
            return
        self._herald.answer(turn.number, turn.message, piece, first=first)
        for sentence in turn.take(piece):
            self._pronounce(turn, sentence)
        self._schedule()

    def _complete(self, turn: Turn) -> None:
        """All of an answer is there."""
        if turn is not self.turn:
            return
        if rest := turn.rest():
            self._pronounce(turn, rest)
        turn.whole = True
        self._herald.answer(turn.number, turn.message, "", last=True)
        self._speak_on(self._mouth.stop(turn.drive, self._now()))
        self._schedule()
        self._record.changed()

    def _pronounce(self, turn: Turn, sentence: str) -> None:
        if turn.kind != "tts":
            self._herald.call("LLMResult", {"Round": turn.number, "Text": sentence})
        if not self.terms.mute:
            said = turn.voice(sentence)
            self._speak_on(self._mouth.pcm(turn.drive, said, self._now()))

    def _speak_on(self, events: list[DriveStatus]) -> None:
        """What the play head has met."""
        for each in events:
            turn = self.turn
            if turn is None or each.drive != turn.drive.id:
                continue
            if each.status == DRIVING:
                if self.state is not State.SPEAKING:
                    self._enter(State.SPEAKING, turn.number, "tts_begin")
            else:
                self._over(turn)

    def _over(self, turn: Turn) -> None:
        """A turn was heard to its end."""
        if turn.keeps_answer and turn.answer:
            self.history.append({"Role": "assistant", "Content": turn.answer})
        self.turn = None
        self._told_at = self._now()
        if self.waiting:
            self._begin(self.waiting.pop(0))
        else:
            self._enter(State.IDLE, turn.number, "tts_all_played")
            if self.draining:
                self.delete(0)

    def _interrupt(self, reason: int) -> None:
        turn = self.turn
        assert turn is not None
        played = turn.played(self._now())
        self._mouth.interrupt(self._now())
        self._forget()
        told = {"Round": turn.number, "Reason": reason, "PlayedText": played}
        self._herald.call("Interrupted", told)
        if turn.keeps_answer and played:
            self.history.append({"Role": "assistant", "Content": played})

    def _forget(self) -> None:
        if self.turn and self.turn.thinking:
            self.turn.thinking.cancel()
        self.turn = None
        self.waiting.clear()

    def _enter(self, state: State, number: int, reason: str) -> None:
        before, self.state = self.state, state
        self._herald.state((before.told, before.number), (state.told, state.number), number, reason)


def _patient(knobs: Knobs) -> Knobs:
    """An LLM may think for longer than a drive may stall."""
    return knobs.turned({"stall_end_s": inf})
