"""Events as text: dialect T (with `task.id`), S (with `source_event_id`), and S without speak_*."""

from __future__ import annotations

from itertools import count
from typing import Any, Literal
from uuid import uuid4

from . import events
from .events import About, Event, Failed, SessionState, StateUpdated

Message = dict[str, Any]

_NAMES: dict[type[About], str] = {
    events.Appended: "agent.audio_buffer_appended",
    events.Committed: "agent.audio_buffer_committed",
    events.Cleared: "agent.audio_buffer_cleared",
    events.SpeakStarted: "agent.speak_started",
    events.SpeakEnded: "agent.speak_ended",
    events.SpeakInterrupted: "agent.speak_interrupted",
}
_SESSION_IN_T = {"new": "connecting", "connected": "connected", "disconnected": "closed"}


class Encoder:
    """Writes one session's events."""

    def __init__(self, dialect: Literal["S", "S-no-speak", "T"]) -> None:
        self.dialect = dialect
        self._rests = count()
        self._rest = f"rest-{next(self._rests)}"

    def encode(self, event: Event) -> list[Message]:
        """Returns the messages that tell of an event, which may be none."""
        match event:
            case SessionState():
                return [self._session(event)]
            case StateUpdated():
                return self._posture(event)
            case Failed():
                error = {"type": event.kind, "message": event.message, "event_id": event.source}
                return [{"type": "error", "event_id": _fresh(), "error": error}]
            case About():
                return self._about(event)
        return []

    def _session(self, event: SessionState) -> Message:
        told = {"type": "session.state_updated", "event_id": _fresh()}
        if self.dialect == "T":
            return {**told, "state": _SESSION_IN_T[event.state]}
        return {**told, "source_event_id": None, "state": event.state}

    def _posture(self, event: StateUpdated) -> list[Message]:
        if self.dialect != "T":
            states = {"previous_state": event.previous, "new_state": event.new}
            return [
                {
                    "type": "agent.state_updated",
                    "event_id": _fresh(),
                    "source_event_id": None,
                    **states,
                }
            ]
        if event.new == "talking":
            return [_of_task("agent.idle_ended", self._rest)]
        if event.previous == "talking":
            self._rest = f"rest-{next(self._rests)}"
            return [_of_task("agent.idle_started", self._rest)]
        return []

    def _about(self, event: About) -> list[Message]:
        name = _NAMES[type(event)]
        if self.dialect == "T":
            return [_of_task(name, event.task)]
        if self.dialect == "S-no-speak" and name.startswith("agent.speak_"):
            return []
        return [{"type": name, "event_id": _fresh(), "source_event_id": event.source}]


def _of_task(name: str, task: str | None) -> Message:
    return {"type": name, "event_id": _fresh(), "task": {"id": task}}


def _fresh() -> str:
    return f"srv-{uuid4()}"
