"""What an agent instance hears, thinks and says: one turn at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from enum import Enum, auto
from math import inf
from random import Random
from typing import Any

import aiohttp

from ..delays import Delays
from . import brain
from .agent_terms import PRIORITIES, Terms
from .avatar import DRIVING, Avatar, DriveStatus
from .avatar import State as Mouth
from .codes import Code, Refused
from .drive import Form
from .herald import Herald
from .knobs import Knobs
from .turn import Turn

NOTHING_SAID = 1004
"""Code of an exception: a voice without words."""

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


class Conversation:
    """All that is said, from joining the room on. Owns the asking of the LLM.

    Attributes:
        history: What was said, oldest first.
        turn: What it answers or says now.
        waiting: What it will say next.
        turns: All that the LLM was asked.
        mouth: What is heard of it.
        round: The number of the interaction.
        told_at: When it was last told to say something, or had said it.
    """

    def __init__(
        self,
        *,
        instance_id: str,
        terms: Terms,
        knobs: Knobs,
        random: Random,
        herald: Herald,
        http: aiohttp.ClientSession,
        changed: Callable[[], None],
    ) -> None:
        self.state = State.JOINING
        self.history = list(terms.messages)
        self.turn: Turn | None = None
        self.waiting: list[Turn] = []
        self.turns: list[Turn] = []
        self.round = 0
        self.told_at = self._now()
        self.mouth = Avatar(_patient(knobs), Delays.draw(knobs, random))
        self.mouth.state = Mouth.IDLE
        self._id = instance_id
        self._terms = terms
        self._knobs = knobs
        self._herald = herald
        self._http = http
        self._changed = changed
        self._heard_words = ""
        self._listening: list[asyncio.TimerHandle] = []
        self._thinking: set[asyncio.Task[None]] = set()

    def behave(self, knobs: Knobs) -> None:
        self._knobs, self.mouth.knobs = knobs, _patient(knobs)

    def advance(self, now: float) -> None:
        """Does what the play head has met."""
        self._speak_on(self.mouth.advance(now))

    def close(self) -> None:
        """It is over at once."""
        self.mouth.interrupt(self._now())
        self._forget()
        for each in self._listening:
            each.cancel()
        self.state = State.DELETED

    # The person

    def hears(self, text: str, seconds: float) -> None:
        """The user says something, that long; who is silent afterwards is answered."""
        words, loop = text.split(), asyncio.get_running_loop()
        for each in self._listening:
            each.cancel()
        self._listening.clear()
        if not self._terms.walkie_talkie:
            self.begin_listening(voice=True)
            ends_s = seconds + self._terms.silence_s
            self._listening.append(loop.call_later(ends_s, self.end_listening, seconds))
        for count in range(1, len(words) + 1):
            after_s = seconds * count / len(words)
            said = " ".join(words[:count])
            self._listening.append(loop.call_later(after_s, self._recognise, said))

    def begin_listening(self, *, voice: bool) -> None:
        """The user speaks, or presses the button to."""
        self.advance(self._now())
        if self.state is State.LISTENING or self.state in (State.JOINING, State.DELETED):
            return
        busy = self.turn is not None
        if busy and voice and not (self._terms.can_be_cut and self._priority() < HIGH):
            return
        before = self.round
        self.round = self._herald.new_round()
        self._heard_words = ""
        self._herald.speaks(self.round, begins=True)
        if busy:
            self._interrupt(BY_VOICE)
            self._enter(State.IDLE, before, "interrupted")
        self._enter(State.LISTENING, self.round, "user_speak")
        self._changed()

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
        else:
            self._herald.about_user("ASRResult", self.round, Text=text)
            self.history.append({"Role": "user", "Content": text})
            self._begin(self._new("voice", text, MEDIUM, number=self.round))
        self._changed()

    # What the API asks for

    def say(self, text: str, priority: int, *, enqueue: bool, keeps: bool) -> int:
        """Speaks this."""
        if self._terms.mute:
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

    def interrupt(self) -> None:
        """Forgets what it says and was to say."""
        if self.turn:
            self._interrupt(BY_CALL)
            self._enter(State.IDLE, self.round, "interrupted")
        self._changed()

    def _ask(self, turn: Turn, enqueue: bool, failed: Code, reason: int) -> int:
        self.advance(self._now())
        self.told_at = self._now()
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
        self._changed()
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
        self.turns += [turn] if turn.kind != "tts" else []
        turn.asked_at = self._now()
        self.mouth.drives[turn.drive.id] = turn.drive
        self.mouth.start(turn.drive, Form(), self._now())
        if turn.kind == "tts":
            self._enter(State.SPEAKING, turn.number, "tts_begin")
            self._take(turn, turn.text, first=True)
            self._complete(turn)
        else:
            self._enter(State.THINKING, turn.number, "llm_begin")
            turn.thinking = asyncio.create_task(self._think(turn), name=f"think {self._id}")
            self._thinking.add(turn.thinking)
            turn.thinking.add_done_callback(self._thinking.discard)

    async def _think(self, turn: Turn) -> None:
        """Asks the LLM, and speaks as it answers."""
        first = True
        try:
            async for piece in self._pieces(turn):
                self._take(turn, piece, first=first)
                self._changed()
                first = False
        except brain.Mute as mute:
            self._herald.exception(mute.code, str(mute), self.round)
            if turn is self.turn:
                turn.answer = turn.played(self._now())
                self.mouth.interrupt(self._now())
                self._over(turn)
        else:
            self._complete(turn)
        self._changed()

    def _pieces(self, turn: Turn) -> AsyncIterator[str]:
        """Returns what the LLM answers."""
        if self._knobs.llm == "parrot":
            return brain.parrot(turn.text)
        llm = self._terms.blocks.get("LLM", {})
        info = {
            "room_id": self._terms.room,
            "agent_instance_id": self._id,
            "agent_user_id": self._terms.agent_user,
            "user_id": self._terms.user,
            "round_id": turn.number,
        }
        window = self.history[-self._terms.window :] if self._terms.window else []
        system = turn.system or llm.get("SystemPrompt", "")
        body = brain.request(llm, brain.messages(system, window, turn.text), info)
        return brain.answer(self._http, llm, body, self._knobs.llm_timeout_s)

    def _take(self, turn: Turn, piece: str, *, first: bool) -> None:
        if turn is not self.turn:
            return
        self._herald.answer(turn.number, turn.message, piece, first=first)
        if first:
            turn.thought_at = self._now()
        for sentence in turn.take(piece):
            self._pronounce(turn, sentence)

    def _complete(self, turn: Turn) -> None:
        """All of an answer is there."""
        if turn is not self.turn:
            return
        if rest := turn.rest():
            self._pronounce(turn, rest)
        turn.whole = True
        self._herald.answer(turn.number, turn.message, "", last=True)
        self._speak_on(self.mouth.stop(turn.drive, self._now()))

    def _pronounce(self, turn: Turn, sentence: str) -> None:
        if turn.kind != "tts":
            self._herald.call("LLMResult", {"Round": turn.number, "Text": sentence})
        if not self._terms.mute:
            said = turn.voice(sentence)
            self._speak_on(self.mouth.pcm(turn.drive, said, self._now()))

    def _speak_on(self, events: list[DriveStatus]) -> None:
        """What the play head has met."""
        for each in events:
            turn = self.turn
            if turn is None or each.drive != turn.drive.id:
                continue
            if each.status == DRIVING:
                turn.heard_at = self._now()
                if self.state is not State.SPEAKING:
                    self._enter(State.SPEAKING, turn.number, "tts_begin")
            else:
                self._over(turn)

    def _over(self, turn: Turn) -> None:
        """A turn was heard to its end."""
        if turn.keeps_answer and turn.answer:
            self.history.append({"Role": "assistant", "Content": turn.answer})
        self.turn = None
        self.told_at = self._now()
        if self.waiting:
            self._begin(self.waiting.pop(0))
        else:
            self._enter(State.IDLE, turn.number, "tts_all_played")

    def _interrupt(self, reason: int) -> None:
        turn = self.turn
        assert turn is not None
        played = turn.played(self._now())
        self.mouth.interrupt(self._now())
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

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _patient(knobs: Knobs) -> Knobs:
    """An LLM may think for longer than a drive may stall."""
    return knobs.turned({"stall_end_s": inf})
