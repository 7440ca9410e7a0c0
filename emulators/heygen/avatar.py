"""The avatar as a state machine: commands in, events out, `now` handed in, no clock, no I/O.

Two tables hold all of it. `_ANSWERS` says what a command does in each state; a pair that is not in
it does nothing. `_HAPPENS` says what comes by itself when the play head reaches a point in time
(`due`, `advance`). Utterances wait in `queue`; its first one is heard, its last one is filled while
the state is OPEN.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from math import inf
from typing import Any

from ..delays import Delays
from ..playback import Phase, Utterance
from ..sockets import Hangup
from . import commands as c
from .events import (
    Appended,
    Cleared,
    Committed,
    Event,
    Failed,
    Posture,
    SessionState,
    SpeakEnded,
    SpeakInterrupted,
    SpeakStarted,
    StateUpdated,
)
from .knobs import Knobs


class State(Enum):
    """Where a session is."""

    NEW = auto()
    IDLE = auto()
    LISTENING = auto()
    OPEN = auto()  # talking, and more may come
    SEALED = auto()  # talking, and all of it is here
    MUTE = auto()  # over its time: nothing is answered, nothing is heard
    GONE = auto()


DEAF = (State.NEW, State.MUTE, State.GONE)
"""States in which commands are thrown away without a word."""


class Avatar:
    """One session's avatar.

    Attributes:
        state: Where it is.
        posture: What its picture shows, as far as clients were told.
        utterances: All that there ever were, in order.
        buffer: Alpha: what was appended and not committed.
    """

    def __init__(self, knobs: Knobs, delays: Delays) -> None:
        self.knobs = knobs
        self.state = State.NEW
        self.posture: Posture = "idle"
        self.utterances: list[Utterance] = []
        self.queue: list[Utterance] = []
        self.buffer: list[tuple[bytes, str | None]] = []
        self._delays = delays
        self._listen_later = False

    # What the session does

    def connect(self) -> list[Event]:
        """From now on commands count."""
        if self.state is State.NEW:
            self.state = State.IDLE
        return [SessionState("connected")]

    def mute(self, now: float) -> None:
        """Speech stops, and nobody is told."""
        self._drop_all(now)
        self.state = State.MUTE

    def disconnect(self, now: float) -> list[Event]:
        """The session is over."""
        self._drop_all(now)
        self.state = State.GONE
        return [SessionState("disconnected"), Hangup(1000)]

    # What the client does

    def take(self, command: c.Command, now: float) -> list[Event]:
        """Returns what a command leads to at once."""
        events = self.advance(now)
        answer = _ANSWERS.get((self.state, type(command)))
        return events + (answer(self, command, now) if answer else [])

    def _open(self, command: c.Speak, now: float) -> list[Event]:
        self._new_utterance(command.event_id, now)
        self.state = State.OPEN
        return self._append(command, now)

    def _append(self, command: c.Speak | c.SpeakEnd | c.Commit, now: float) -> list[Event]:
        utterance = self.queue[-1]
        self._fill(utterance, command.audio, command.event_id, now)
        return [Appended(command.event_id, utterance.task)]

    def _seal(self, command: c.SpeakEnd, now: float) -> list[Event]:
        events = self._append(command, now) if command.audio else []
        utterance = self.queue[-1]
        utterance.sealed_at = now
        self.state = State.SEALED
        events.append(Committed(command.event_id, utterance.task))
        if utterance.phase is Phase.DRY:
            events += self._finish(now)
        return events

    def _nothing_to_seal(self, command: c.SpeakEnd, now: float) -> list[Event]:
        if self.knobs.speak_end_when_idle == "ignore":
            return []
        return [Failed("invalid_request_error", "nothing is being said", command.event_id)]

    def _interrupt(self, command: c.Interrupt, now: float) -> list[Event]:
        head = self.queue[0] if self.queue else None
        self._drop_all(now)
        if self.knobs.interrupt_drops_buffer:
            self.buffer.clear()
        self.state = State.IDLE
        events: list[Event] = [Cleared(command.event_id, head.task if head else None)]
        if head:
            events.append(SpeakInterrupted(head.source, head.task))
        return events + self._pose("idle")

    def _listen(self, command: c.StartListening, now: float) -> list[Event]:
        self.state = State.LISTENING
        return self._pose("listening")

    def _listen_while_talking(self, command: c.StartListening, now: float) -> list[Event]:
        self._listen_later = self.knobs.listen_while_talking == "latch"
        return []

    def _stop_listening(self, command: c.StopListening, now: float) -> list[Event]:
        self.state = State.IDLE
        return self._pose("idle")

    def _forget_listening(self, command: c.StopListening, now: float) -> list[Event]:
        self._listen_later = False
        return []

    def _buffer(self, command: c.Append, now: float) -> list[Event]:
        self.buffer.append((command.audio, command.event_id))
        return [Appended(command.event_id)]

    def _commit(self, command: c.Commit, now: float) -> list[Event]:
        waiting, self.buffer = self.buffer, []
        if len(command.audio) > 1:  # a single byte is a placeholder of HeyGen's own demo
            waiting.append((command.audio, command.event_id))
        if waiting and self.state is not State.OPEN:
            self._new_utterance(waiting[0][1], now).ends_when_dry = True
            self.state = State.OPEN
        for audio, event_id in waiting:
            self._fill(self.queue[-1], audio, event_id, now)
        return [Committed(command.event_id, self.queue[-1].task if self.queue else None)]

    def _clear(self, command: c.Clear, now: float) -> list[Event]:
        self.buffer.clear()
        return [Cleared(command.event_id)]

    def _start(self, command: c.Start, now: float) -> list[Event]:
        if self.knobs.reply_to_start == "ignore":
            return []
        return [Failed("invalid_request_error", "unknown type start", command.event_id)]

    def _refuse(self, command: c.Malformed, now: float) -> list[Event]:
        return [Failed("invalid_request_error", command.reason, command.event_id)]

    def _oversized(self, command: c.Oversized, now: float) -> list[Event]:
        if self.knobs.oversize == "close":
            return [Hangup(1009)]
        return [Failed("invalid_request_error", "the packet is too large", command.event_id)]

    # What happens by itself

    def due(self) -> float:
        """When the next thing happens by itself; `inf` if nothing will."""
        if not self.queue:
            return inf
        head = self.queue[0]
        if head.phase is Phase.WAITING:
            return head.starts_at
        if head.phase is Phase.RUNNING:
            return head.runs_dry_at()
        if head.phase is Phase.DRY and head.dry_since is not None and not head.starved:
            limit = self.knobs.alpha_end_ms if head.ends_when_dry else self.knobs.starve_ms
            return head.dry_since + limit / 1_000
        return inf

    def advance(self, now: float) -> list[Event]:
        """Returns what has happened by itself up to now, each thing at its own time."""
        events: list[Event] = []
        while (at := self.due()) <= now:
            events += _HAPPENS[self.queue[0].phase](self, at)
        return events

    def _run(self, at: float) -> list[Event]:
        head = self.queue[0]
        first = head.started_at is None
        head.run(at)
        head.starved = False
        events = self._pose("talking")
        return [*events, SpeakStarted(head.source, head.task)] if first else events

    def _run_dry(self, at: float) -> list[Event]:
        head = self.queue[0]
        if head.sealed_at is not None:
            return self._finish(at)
        head.stop(at, Phase.DRY)
        return []

    def _starve(self, at: float) -> list[Event]:
        head = self.queue[0]
        if head.ends_when_dry:
            head.sealed_at = at
            return self._finish(at)
        head.starved = True
        events: list[Event] = [Failed("video_starvation", "no audio to play", head.source)]
        return events + (self._pose("idle") if self.knobs.starved == "idle" else [])

    def _finish(self, at: float) -> list[Event]:
        head = self.queue.pop(0)
        head.stop(at, Phase.OVER)
        events: list[Event] = [SpeakEnded(head.source, head.task)]
        if self.queue:
            following = self.queue[0]
            following.starts_at = max(following.starts_at, at + self.knobs.gap_ms / 1_000)
            return events + self._pose("idle")
        self.state = State.LISTENING if self._listen_later else State.IDLE
        self._listen_later = False
        return events + self._pose("listening" if self.state is State.LISTENING else "idle")

    # Below

    def _new_utterance(self, source: str | None, now: float) -> Utterance:
        start_s = self.knobs.speak_start_ms / 1_000 + self._delays.before_utterance()
        utterance = Utterance(
            task=f"task-{len(self.utterances) + 1}",
            source=source,
            opened_at=now,
            starts_at=now + start_s,
            keeps_audio=self.knobs.keep_audio,
            speed=self.knobs.playback_speed,
        )
        self.utterances.append(utterance)
        self.queue.append(utterance)
        return utterance

    def _fill(self, utterance: Utterance, pcm: bytes, event_id: str | None, now: float) -> None:
        utterance.append(pcm, event_id, now)
        if utterance.phase is Phase.DRY and pcm:
            utterance.phase = Phase.WAITING
            utterance.starts_at = now + self._delays.resume_s

    def _drop_all(self, now: float) -> None:
        for each in self.queue:
            each.cut = True
            each.stop(now, Phase.OVER)
        self.queue.clear()
        self._listen_later = False

    def _pose(self, posture: Posture) -> list[Event]:
        if posture == self.posture:
            return []
        previous, self.posture = self.posture, posture
        return [StateUpdated(previous, posture)]


_AWAKE = (State.IDLE, State.LISTENING, State.OPEN, State.SEALED)
_TALKING = (State.OPEN, State.SEALED)

_ANSWERS: dict[tuple[State, type[c.Command]], Callable[[Avatar, Any, float], list[Event]]] = {
    (State.IDLE, c.Speak): Avatar._open,
    (State.LISTENING, c.Speak): Avatar._open,
    (State.OPEN, c.Speak): Avatar._append,
    (State.SEALED, c.Speak): Avatar._open,
    (State.OPEN, c.SpeakEnd): Avatar._seal,
    (State.IDLE, c.SpeakEnd): Avatar._nothing_to_seal,
    (State.LISTENING, c.SpeakEnd): Avatar._nothing_to_seal,
    (State.IDLE, c.StartListening): Avatar._listen,
    (State.LISTENING, c.StopListening): Avatar._stop_listening,
    **{(state, c.StartListening): Avatar._listen_while_talking for state in _TALKING},
    **{(state, c.StopListening): Avatar._forget_listening for state in _TALKING},
    **{(state, c.Interrupt): Avatar._interrupt for state in _AWAKE},
    **{(state, c.Append): Avatar._buffer for state in _AWAKE},
    **{(state, c.Commit): Avatar._commit for state in _AWAKE},
    **{(state, c.Clear): Avatar._clear for state in _AWAKE},
    **{(state, c.Start): Avatar._start for state in _AWAKE},
    **{(state, c.Malformed): Avatar._refuse for state in _AWAKE},
    **{(state, c.Oversized): Avatar._oversized for state in _AWAKE},
}

_HAPPENS: dict[Phase, Callable[[Avatar, float], list[Event]]] = {
    Phase.WAITING: Avatar._run,
    Phase.RUNNING: Avatar._run_dry,
    Phase.DRY: Avatar._starve,
}
