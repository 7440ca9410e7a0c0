"""One drive of a digital human: reserved or queued, then heard, then over."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from math import inf
from typing import Literal

import numpy as np

from ..playback import Phase, Utterance

Kind = Literal["ws", "rtc", "text", "audio"]


class Stage(Enum):
    """How far a drive is."""

    RESERVED = auto()
    QUEUED = auto()
    DRIVING = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class Form:
    """How the PCM of a drive comes."""

    rate_hz: int = 24_000
    channels: int = 1
    voice: int = 0


@dataclass(slots=True)
class Drive:
    """One of a task's drives.

    Attributes:
        valid_until: When its address is no longer good.
        pcm: All that will be heard of it, where that is known from the start.
        utterance: What is heard of it, once it drives.
        touched_at: When something came for it last.
    """

    id: str
    kind: Kind
    stage: Stage
    made_at: float
    valid_until: float = inf
    pcm: bytes = field(default=b"", repr=False)
    form: Form = Form()
    utterance: Utterance | None = None
    touched_at: float = 0.0
    _odd: bytes = b""

    @property
    def state(self) -> str:
        """Its name in the documents' words."""
        if self.stage is not Stage.DRIVING or self.utterance is None:
            return self.stage.name
        if self.utterance.sealed_at is not None:
            return "DRAINING"
        return "STALLED" if self.utterance.phase is Phase.DRY else "DRIVING"

    def mono(self, data: bytes) -> bytes:
        """Returns the samples that the face will speak."""
        if self.form.channels == 1:
            return data
        data = self._odd + data
        whole = len(data) // 4 * 4
        self._odd = data[whole:]
        both = np.frombuffer(data[:whole], dtype="<i2").reshape(-1, 2)
        voice = self.form.voice
        one = both[:, voice - 1] if voice else both.mean(axis=1).round().astype("<i2")
        return bytes(one.tobytes())
