"""What the avatar can be told. A vendor's wire turns each into its own messages, or into none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """Something to tell the vendor; one whose generation is over never leaves the process.

    Attributes:
        generation: Counts the cut-ins up to now; of use to the core only.
    """

    generation: int


@dataclass(frozen=True, slots=True)
class Reserve(Command):
    """Ask for the right to begin an utterance; `Reserved` answers, with this generation."""


@dataclass(frozen=True, slots=True)
class Begin(Command):
    """Speech is about to follow.

    Attributes:
        utterance: Its id for the vendor.
        run: The run of TTS that it is of, and `offset`: how many samples of that run were heard
            under an earlier id, before a hold.
        sample_rate: In Hz.
        interruptible: Whether a cut-in may take it back.
    """

    utterance: str
    run: str
    offset: int
    sample_rate: int
    interruptible: bool


@dataclass(frozen=True, slots=True)
class Speak(Command):
    """Say this, after what was said before.

    Attributes:
        utterance: The id of its `Begin`.
        pcm: 16-bit signed little endian, mono, at the profile's rate; whole samples.
    """

    utterance: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class EndSpeech(Command):
    """The utterance is complete.

    Attributes:
        utterance: The id of its `Begin`.
        samples: How many it has.
    """

    utterance: str
    samples: int


@dataclass(frozen=True, slots=True)
class Interrupt(Command):
    """Fall silent now and forget everything sent before.

    Attributes:
        utterance: The one that is cut, or None where only the vendor says that it talks.
        hold: The cut-in is only suspected: what was not heard may come again, as a new utterance.
    """

    utterance: str | None
    hold: bool = False


@dataclass(frozen=True, slots=True)
class Listen(Command):
    """Look like someone who listens (`on`), or stop doing so."""

    on: bool


@dataclass(frozen=True, slots=True)
class KeepAlive(Command):
    """Nothing was sent for a while."""
