"""The drive socket's codec: what a digital human is told, and what is told of it.

https://www.zegocloud.com/docs/digital-human, WebSocket drive, as of 2026-08-21: text `Start` and
`Stop` around binary PCM, one drive per utterance. Of what the server says nothing is documented.
What is told comes from elsewhere, by way of our socket: that a drive is reserved, and how it goes.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from uuid import uuid4

from loguru import logger

from ..avatar.commands import Begin, Command, EndSpeech, Interrupt, Reserve, Speak
from ..avatar.errors import Ending
from ..avatar.events import Ended, Event, Lost, Reserved, Started
from .tasks import DriveStatus


@dataclass(frozen=True, slots=True)
class Ask:
    """Reserve a drive, and tell so with this generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class Start:
    """Begin this utterance with the drive that is reserved."""

    utterance: str
    sample_rate: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The utterance is complete."""

    utterance: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Fall silent."""


@dataclass(frozen=True, slots=True)
class Told:
    """How an utterance goes."""

    utterance: str
    status: DriveStatus


Order = Ask | Start | bytes | Stop | Cut
"""What the socket is given; bytes are PCM."""


class DriveWire:
    """The codec of one session.

    Attributes:
        ready, over: See `Wire`. The socket is dialled when the task streams.
    """

    def __init__(self) -> None:
        self.ready = True
        self.over: Ending | None = None  # the socket itself raises it

    def encode(self, command: Command) -> list[Order]:
        """The orders for a command; none where there is no word for it."""
        match command:
            case Reserve(generation):
                return [Ask(generation)]
            case Begin(utterance=utterance, sample_rate=sample_rate):
                return [Start(utterance, sample_rate)]
            case Speak(pcm=pcm):
                return [pcm]
            case EndSpeech(utterance=utterance):
                return [Stop(utterance)]
            case Interrupt():
                return [Cut()]
            case _:
                return []

    def decode(self, message: object) -> list[Event]:
        """What it means; the socket says nothing that is not understood."""
        match message:
            case Reserved():
                return [message]
            case Told(utterance, DriveStatus.DRIVING):
                return [Started(utterance)]
            case Told(utterance, DriveStatus.ENDED):
                return [Ended(utterance)]
            case Told(utterance, DriveStatus.FAILED | DriveStatus.INTERRUPTED):
                return [Lost(utterance)]
            case _:
                return []


def start_text(drive: str, sample_rate: int) -> str:
    """What begins a drive: 16-bit mono PCM of this rate follows."""
    return _say("Start", DriveId=drive, SampleRate=sample_rate)


def stop_text(drive: str) -> str:
    """What ends it; without it the avatar waits for more."""
    return _say("Stop", DriveId=drive)


class Odd:
    """What is said that nobody has documented: counted, and told of once.

    Args:
        vendor: For the log.

    Attributes:
        count: How much of each kind there was.
    """

    def __init__(self, vendor: str) -> None:
        self._vendor = vendor
        self.count: Counter[str] = Counter()

    def note(self, kind: str) -> None:
        """Something of this kind; never of its content."""
        self.count[kind] += 1
        if self.count[kind] == 1:
            logger.warning(f"{self._vendor} says something that is not understood: {kind}")


def _say(action: str, **payload: str | int) -> str:
    return json.dumps({"Action": action, "SequenceID": str(uuid4()), "Payload": payload})
