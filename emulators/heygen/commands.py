"""What a client says on the control socket."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Command:
    """Any message; `event_id` is the client's own, and many leave it out."""

    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Speak(Command):
    """`agent.speak`: audio behind what there is."""

    audio: bytes = b""


@dataclass(frozen=True, slots=True)
class SpeakEnd(Command):
    """`agent.speak_end`: the utterance is complete."""

    audio: bytes = b""


@dataclass(frozen=True, slots=True)
class Interrupt(Command):
    """`agent.interrupt`: be silent now."""


@dataclass(frozen=True, slots=True)
class StartListening(Command):
    """`agent.start_listening`"""


@dataclass(frozen=True, slots=True)
class StopListening(Command):
    """`agent.stop_listening`"""


@dataclass(frozen=True, slots=True)
class KeepAlive(Command):
    """`session.keep_alive`"""


@dataclass(frozen=True, slots=True)
class Append(Command):
    """Alpha, `agent.audio_buffer_append`: audio that waits for a commit."""

    audio: bytes = b""


@dataclass(frozen=True, slots=True)
class Commit(Command):
    """Alpha, `agent.audio_buffer_commit`: say what waits."""

    audio: bytes = b""


@dataclass(frozen=True, slots=True)
class Clear(Command):
    """Alpha, `agent.audio_buffer_clear`: forget what waits."""


@dataclass(frozen=True, slots=True)
class Start(Command):
    """`start`, which one published client sends and no document knows."""


@dataclass(frozen=True, slots=True)
class Oversized(Command):
    """A packet over the limit."""


@dataclass(frozen=True, slots=True)
class Malformed(Command):
    """Anything else."""

    reason: str = ""


_PLAIN: dict[str, type[Command]] = {
    "agent.interrupt": Interrupt,
    "agent.start_listening": StartListening,
    "agent.stop_listening": StopListening,
    "session.keep_alive": KeepAlive,
    "agent.audio_buffer_clear": Clear,
    "start": Start,
}
_WITH_AUDIO: dict[str, tuple[type[Speak | SpeakEnd | Append | Commit], bool]] = {
    "agent.speak": (Speak, True),
    "agent.speak_end": (SpeakEnd, False),
    "agent.audio_buffer_append": (Append, True),
    "agent.audio_buffer_commit": (Commit, False),
}
"""The commands with audio, and whether they must have some."""


def parse(text: str | bytes, packet_limit: int) -> tuple[str, Command]:
    """Returns the type that was written, and what it means."""
    if isinstance(text, bytes):
        return "(binary)", Malformed(reason="a binary message")
    try:
        message = json.loads(text)
    except ValueError:
        return "(not JSON)", Malformed(reason="not JSON")
    if not isinstance(message, dict):
        return "(no object)", Malformed(reason="not an object")
    kind = str(message.get("type"))
    return kind, _command(kind, message, packet_limit)


def _command(kind: str, message: dict[str, Any], packet_limit: int) -> Command:
    event_id = message.get("event_id")
    if event_id is not None and not isinstance(event_id, str):
        return Malformed(reason="event_id is not a text")
    if kind in _PLAIN:
        return _PLAIN[kind](event_id)
    if kind not in _WITH_AUDIO:
        return Malformed(event_id, reason=f"unknown type {kind[:60]}")
    meaning, required = _WITH_AUDIO[kind]
    audio = message.get("audio")
    if audio is None and not required:
        return meaning(event_id)
    if not isinstance(audio, str):
        return Malformed(event_id, reason="audio is missing")
    if len(audio) > packet_limit:
        return Oversized(event_id)
    try:
        return meaning(event_id, base64.b64decode(audio, validate=True))
    except binascii.Error:
        return Malformed(event_id, reason="audio is not base64")
