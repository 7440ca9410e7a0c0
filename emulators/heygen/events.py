"""What the avatar does that a client may hear of, before it is put into a dialect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..sockets import Hangup

Posture = Literal["idle", "listening", "talking"]


@dataclass(frozen=True, slots=True)
class SessionState:
    """The session is `new`, `connected` or `disconnected`."""

    state: Literal["new", "connected", "disconnected"]


@dataclass(frozen=True, slots=True)
class StateUpdated:
    """The avatar is seen in another posture."""

    previous: Posture
    new: Posture


@dataclass(frozen=True, slots=True)
class About:
    """Something happened to an utterance (`task`), because of a client's message (`source`)."""

    source: str | None
    task: str | None = None


class Appended(About):
    """A chunk was received."""


class Committed(About):
    """The end of an utterance, or of an alpha segment, was received."""


class Cleared(About):
    """An interrupt, or alpha's clear, was received."""


class SpeakStarted(About):
    """The first sample is heard."""


class SpeakEnded(About):
    """The last sample was heard."""


class SpeakInterrupted(About):
    """The rest of the utterance will not be heard."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An `error` event."""

    kind: Literal["invalid_request_error", "server_error", "video_starvation"]
    message: str
    source: str | None = None


Event = SessionState | StateUpdated | About | Failed | Hangup
