"""What the core has to say to the pipeline, in the order in which it has to be said."""

from __future__ import annotations

from dataclasses import dataclass

from .leg import Leg


@dataclass(frozen=True, slots=True)
class Heard:
    """A word was heard, or what waited behind the words has come to its turn.

    `cue` is the object that was given to the core, handed back as it was.
    """

    cue: object


@dataclass(frozen=True, slots=True)
class Cut:
    """The speech was cut. `unheard`: something was lost; `hold`: it may come again."""

    utterance: str | None
    unheard: bool
    hold: bool


@dataclass(frozen=True, slots=True)
class SpeakingStarted:
    """The person began to hear the avatar."""


@dataclass(frozen=True, slots=True)
class Speaking:
    """The person goes on hearing the avatar; five times a second while the playhead moves."""


@dataclass(frozen=True, slots=True)
class SpeakingStopped:
    """The person no longer hears the avatar."""


@dataclass(frozen=True, slots=True)
class CarriedBy:
    """From here on this `leg` carries the speech."""

    leg: Leg


Report = Heard | Cut | SpeakingStarted | Speaking | SpeakingStopped | CarriedBy
