"""The control socket's codec: what an avatar is told, and what it tells.

One server answers all three generations of HeyGen's API, and its events have been seen in two
dialects, of which one also comes without `agent.speak_*`:

    S   names what an event is about: `source_event_id` is the id of our message
    T   numbers its own tasks (`task.id`) and says nothing of our ids
    –   only `agent.state_updated`, from idle to talking and back

Speech is played in the order in which it was sent, one utterance after the other. That is enough
to tell what each event is about, and to say each thing once, whichever of them come, also twice.
What arrives between an interrupt and the first sign that it was carried out is about the past.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from loguru import logger

from ..avatar.commands import Command, EndSpeech, Interrupt, KeepAlive, Listen, Speak
from ..avatar.errors import Ending
from ..avatar.events import Ended, Event, Interrupted, Started, Talking

MOST_UTTERANCES = 64
"""So many may be at a vendor that acknowledges none of them; the oldest is then forgotten."""

MOST_KINDS = 50
"""So many kinds of messages that are not understood are told apart; the rest is one kind."""

_KIND = re.compile(r"[a-z][a-z_.]{0,63}")
_TALKING = "talking"
_OVER = ("disconnected", "closing", "closed")
_WHY = {
    "MAX_DURATION_REACHED": Ending.LIMIT,
    "IDLE_TIMEOUT": Ending.IDLE,
    "NO_CREDITS": Ending.CREDITS,
    "USER_DISCONNECTED": Ending.STOPPED,
    "USER_CLOSED": Ending.STOPPED,
}


@dataclass(slots=True)
class _Sent:
    """An utterance that the vendor has, and has not played to its end as far as it said."""

    id: str
    task: str | None = None
    sealed: bool = False
    started: bool = False


class ControlWire:
    """The codec of one connection: `agent.speak`, as LiveAvatar and Interactive Avatar take it.

    Args:
        vendor: For the log.
        awaits_connected: Whether commands are lost before the server says `connected`.

    Attributes:
        ready, over: See `Wire`.
        odd: How many messages of each kind were not understood.
    """

    def __init__(self, vendor: str, *, awaits_connected: bool = True) -> None:
        self._vendor = vendor
        self.ready = not awaits_connected
        self.over: Ending | None = None
        self.odd: Counter[str] = Counter()
        self._sent: deque[_Sent] = deque(maxlen=MOST_UTTERANCES)
        self._tasks: deque[str] = deque(maxlen=MOST_UTTERANCES)  # that were told apart
        self._pieces = 0  # without a receipt
        self._past_pieces = 0  # those of them that an interrupt has made void
        self._interrupt: str | None = None  # not known to be carried out
        self._talks = False
        self._names_speech = False  # whether `agent.speak_*` come

    # What is told

    def encode(self, command: Command) -> list[str]:
        """The messages for a command; none where there is no verb for it."""
        match command:
            case Speak(_, utterance, pcm):
                self._note(utterance)
                self._pieces += 1
                return self.speech(utterance, b64encode(pcm).decode("ascii"))
            case EndSpeech(_, utterance):
                self._note(utterance).sealed = True
                return self.end(utterance)
            case Interrupt():
                self._forget()
                self._interrupt = str(uuid4())
                return self.silence(self._interrupt)
            case Listen(_, on):
                return [say("agent.start_listening" if on else "agent.stop_listening")]
            case KeepAlive():
                return [say("session.keep_alive")]
            case _:
                return []

    def speech(self, utterance: str, audio: str) -> list[str]:
        """More of an utterance; all of its messages carry its id."""
        return [say("agent.speak", utterance, audio=audio)]

    def end(self, utterance: str) -> list[str]:
        """Its end, without which the avatar does not return to idle."""
        return [say("agent.speak_end", utterance)]

    def silence(self, event_id: str) -> list[str]:
        """Fall silent, and drop what is queued."""
        return [say("agent.interrupt", event_id)]

    # What is said

    def decode(self, message: object) -> list[Event]:
        """What a message means; nothing where it is not understood."""
        content = _parsed(message)
        kind = content.get("type") if content is not None else None
        if content is None or not isinstance(kind, str):
            return self._is_odd("malformed")
        match kind.removeprefix("agent."):
            case "session.state_updated":
                self._session(content.get("state"))
                return []
            case "session.stopped":
                self.over = _why(content)
                return []
            case "state_updated":
                return self._state(content.get("new_state"))
            case "idle_started":
                return self._state("idle")
            case "speak_started":
                return self._speaks(content)
            case "speak_ended":
                return self._spoke(content)
            case "speak_interrupted":
                self._interrupt = None
                return [Interrupted(_source(content))]
            case "audio_buffer_cleared":
                return self._cleared(_source(content))
            case "audio_buffer_appended":
                self._received(content)
                return []
            case "audio_buffer_committed" | "idle_ended":
                return []
            case "error" | "warning":
                about = content.get(kind)
                what = about.get("type") if isinstance(about, dict) else None
                return self._is_odd(f"{kind}.{what}" if isinstance(what, str) else kind)
            case _:
                return self._is_odd(kind)

    def _session(self, state: object) -> None:
        if state == "connected":
            self.ready = True
        elif state in _OVER:
            self.over = self.over or Ending.UNKNOWN

    def _state(self, state: object) -> list[Event]:
        """Idle, listening, talking; others may come."""
        if not isinstance(state, str):
            return self._is_odd("malformed")
        talked, self._talks = self._talks, state == _TALKING
        events: list[Event] = [Talking(self._talks)]
        if self._talks == talked:
            return events
        if self._interrupt is not None:
            if self._talks:
                return events
            self._interrupt = None
            return [Interrupted(), *events]
        if self._talks:
            return [*events, Started()]
        if not self._names_speech and self._sent and self._sent[0].sealed:
            # It names none: who hears them in order knows which one is over.
            self._sent.popleft()
            events.append(Ended())
        return events

    def _speaks(self, content: dict[str, Any]) -> list[Event]:
        self._names_speech = True
        utterance = self._find(content)
        if utterance is None or utterance.started:
            return []
        self._talks = utterance.started = True
        self._interrupt = None
        return [*self._over_before(utterance), Started(utterance.id)]

    def _spoke(self, content: dict[str, Any]) -> list[Event]:
        self._names_speech = True
        utterance = self._find(content)
        named = _source(content) is not None or _task(content) is not None
        if utterance is None or not utterance.sealed or not (named or utterance.started):
            return []
        self._interrupt = None
        return [*self._over_before(utterance), Ended(self._sent.popleft().id)]

    def _over_before(self, utterance: _Sent) -> list[Event]:
        """One is heard at a time: those that were sent before it are over."""
        events: list[Event] = []
        while self._sent[0] is not utterance:
            events.append(Ended(self._sent.popleft().id))
        return events

    def _cleared(self, source: str | None) -> list[Event]:
        if source not in (None, self._interrupt):
            return []
        self._interrupt = None
        self._talks = False  # to be idle now is the end of what was cut, not of what follows
        return [Interrupted()]

    def _received(self, content: dict[str, Any]) -> None:
        """The receipt for a piece: it tells which task is which utterance, and what is past."""
        self._pieces = max(0, self._pieces - 1)
        if self._past_pieces:
            self._past_pieces -= 1
            if _source(content) is None:
                return
        else:
            self._interrupt = None
        if self._find(content) is not None:
            self._interrupt, self._past_pieces = None, 0

    # What was sent

    def _note(self, utterance: str) -> _Sent:
        if not self._sent or self._sent[-1].id != utterance:
            self._sent.append(_Sent(utterance))
        return self._sent[-1]

    def _forget(self) -> None:
        self._sent.clear()
        self._past_pieces = self._pieces

    def _find(self, content: dict[str, Any]) -> _Sent | None:
        """The utterance that an event is about, by our id, else by its task, else by order."""
        source, task = _source(content), _task(content)
        if source is not None:
            return next((each for each in self._sent if each.id == source), None)
        if self._interrupt is not None:
            return None
        if task is None:
            return self._sent[0] if self._sent else None
        known = next((each for each in self._sent if each.task == task), None)
        if known is None and task not in self._tasks:
            known = next((each for each in self._sent if each.task is None), None)
            if known is not None:
                known.task = task
                self._tasks.append(task)
        return known

    def _is_odd(self, kind: str) -> list[Event]:
        """Count it, and warn once per kind; never of its content."""
        known = kind in self.odd
        if not known and (len(self.odd) >= MOST_KINDS or not _KIND.fullmatch(kind)):
            kind = "other"
            known = kind in self.odd
        self.odd[kind] += 1
        if not known:
            logger.warning(f"{self._vendor} says something that is not understood: {kind}")
        return []


def say(kind: str, event_id: str | None = None, **more: str) -> str:
    """A message; one that names no utterance gets an id of its own."""
    return json.dumps({"type": kind, "event_id": event_id or str(uuid4())} | more)


def _parsed(message: object) -> dict[str, Any] | None:
    if not isinstance(message, str):
        return None  # a binary message is not of this protocol
    try:
        content = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _why(content: dict[str, Any]) -> Ending:
    reason = content.get("end_reason")
    return _WHY.get(reason, Ending.UNKNOWN) if isinstance(reason, str) else Ending.UNKNOWN


def _source(content: dict[str, Any]) -> str | None:
    source = content.get("source_event_id")
    return source if isinstance(source, str) and source else None


def _task(content: dict[str, Any]) -> str | None:
    task = content.get("task")
    name = task.get("id") if isinstance(task, dict) else None
    return name if isinstance(name, str) and len(name) <= 200 else None
