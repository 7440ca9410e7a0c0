"""An utterance and its play head: what was received of it, and which samples were heard when.

Times are those of the caller's clock, in seconds; positions count samples of the utterance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from math import inf

RATE_HZ = 24_000
SAMPLE_BYTES = 2


class Phase(Enum):
    """What the play head does."""

    WAITING = auto()
    RUNNING = auto()
    DRY = auto()
    OVER = auto()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that arrived, `first` being the position of the first one."""

    at: float
    first: int
    size: int
    event_id: str | None


@dataclass(frozen=True, slots=True)
class Segment:
    """Samples that were heard without a gap; the first of them at `at`."""

    at: float
    first: int
    samples: int


@dataclass(slots=True)
class Utterance:
    """One run of speech between its first chunk and its end."""

    task: str
    source: str | None
    opened_at: float
    starts_at: float
    rate_hz: int = RATE_HZ
    ends_when_dry: bool = False
    keeps_audio: bool = True
    speed: float = 1.0
    phase: Phase = Phase.WAITING
    started_at: float | None = None
    sealed_at: float | None = None
    dry_since: float | None = None
    starved: bool = False
    ended_at: float | None = None
    cut: bool = False
    size: int = 0
    chunks: list[Chunk] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray, repr=False)
    _segments: list[Segment] = field(default_factory=list)

    @property
    def samples(self) -> int:
        """How many were received."""
        return self.size // SAMPLE_BYTES

    @property
    def event_ids(self) -> set[str]:
        """The ids that its chunks came with."""
        return {each.event_id for each in self.chunks if each.event_id is not None}

    def append(self, pcm: bytes, event_id: str | None, now: float) -> None:
        self.chunks.append(Chunk(now, self.size, len(pcm), event_id))
        self.size += len(pcm)
        if self.keeps_audio:
            self.audio += pcm

    def heard(self, now: float) -> int:
        """How many samples were heard up to now."""
        if not self._segments:
            return 0
        last = self._segments[-1]
        if self.phase is not Phase.RUNNING:
            return last.first + last.samples
        passed = int((now - last.at) * self.rate_hz * self.speed + 1e-3)
        return min(self.samples, last.first + max(0, passed))

    def segments(self, now: float) -> list[Segment]:
        """The log of the play head up to now."""
        if self.phase is not Phase.RUNNING:
            return [*self._segments]
        last = self._segments[-1]
        return [*self._segments[:-1], Segment(last.at, last.first, self.heard(now) - last.first)]

    def heard_audio(self, now: float) -> bytes:
        """The samples that were heard, if samples are kept."""
        return bytes(self.audio[: self.heard(now) * SAMPLE_BYTES])

    def run(self, at: float) -> None:
        """The play head moves on from where it is."""
        first = self.heard(at)
        self.phase = Phase.RUNNING
        self.dry_since = None
        self.started_at = at if self.started_at is None else self.started_at
        self._segments.append(Segment(at, first, 0))

    def runs_dry_at(self) -> float:
        """When the play head meets the end of what was received."""
        if self.phase is not Phase.RUNNING:
            return inf
        last = self._segments[-1]
        return last.at + (self.samples - last.first) / (self.rate_hz * self.speed)

    def stop(self, at: float, phase: Phase) -> None:
        """The play head stands still."""
        if self.phase is Phase.RUNNING:
            self._segments[:] = self.segments(at)
        self.phase = phase
        if phase is Phase.DRY:
            self.dry_since = at
        if phase is Phase.OVER:
            self.ended_at = at


@dataclass(frozen=True, slots=True)
class Said:
    """One utterance, as it was heard.

    Attributes:
        received: Samples that came.
        samples: Samples that were heard.
        segments: When: each without a gap.
    """

    task: str
    source: str | None
    opened_at: float
    received: int
    samples: int
    cut: bool
    started_at: float | None
    ended_at: float | None
    segments: list[Segment]
    _audio: bytearray = field(repr=False)
    rate_hz: int = RATE_HZ

    @classmethod
    def of(cls, utterance: Utterance, now: float) -> Said:
        """Returns what was heard of an utterance up to now."""
        return cls(
            task=utterance.task,
            source=utterance.source,
            opened_at=utterance.opened_at,
            received=utterance.samples,
            samples=utterance.heard(now),
            cut=utterance.cut,
            started_at=utterance.started_at,
            ended_at=utterance.ended_at,
            segments=utterance.segments(now),
            _audio=utterance.audio,
            rate_hz=utterance.rate_hz,
        )

    @property
    def audio(self) -> bytes:
        """The samples that were heard, where samples are kept."""
        return bytes(self._audio[: self.samples * SAMPLE_BYTES])

    @property
    def seconds(self) -> float:
        """How long it was heard."""
        return self.samples / self.rate_hz


def heard_between(utterances: Iterable[Utterance], since: float, samples: int) -> bytes:
    """Returns so many samples from a time on as they were heard, with silence around speech.

    Speech at another speed than 1 is not what was heard, but a part of it.
    """
    heard = bytearray(samples * SAMPLE_BYTES)
    for utterance in utterances:
        for segment in utterance.segments(since + samples / RATE_HZ):
            # Where in the segment the time is; negative if the segment begins later.
            ahead = round((since - segment.at) * RATE_HZ)
            first, last = max(0, ahead), min(segment.samples, ahead + samples)
            if first < last:
                start, at = (segment.first + first) * SAMPLE_BYTES, (first - ahead) * SAMPLE_BYTES
                pcm = utterance.audio[start : start + (last - first) * SAMPLE_BYTES]
                heard[at : at + len(pcm)] = pcm
    return bytes(heard)
