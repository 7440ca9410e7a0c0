"""What a vendor tells about the speech: the truth that the playhead follows.

An event that names no utterance is about the one that is being spoken.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Started:
    """The first sample of this `utterance` became audible."""

    utterance: str | None = None


@dataclass(frozen=True, slots=True)
class Played:
    """`samples` samples of this `utterance` have been heard by now, at the profile's rate."""

    utterance: str | None
    samples: int


@dataclass(frozen=True, slots=True)
class Ended:
    """This `utterance` was heard to its end."""

    utterance: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The vendor dropped what it had of this `utterance`, and nobody has asked for that."""

    utterance: str | None = None


@dataclass(frozen=True, slots=True)
class Talking:
    """Whether the vendor says that the avatar is talking (`on`), whatever it says."""

    on: bool


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The vendor confirms that it fell silent, in this `utterance`."""

    utterance: str | None = None


@dataclass(frozen=True, slots=True)
class Reserved:
    """One utterance may begin: the answer to the `Reserve` of this `generation`."""

    generation: int


Event = Started | Played | Ended | Lost | Talking | Interrupted | Reserved
