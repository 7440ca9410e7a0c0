"""A digital human as a state machine: `now` is handed in, no clock, no I/O; events come out.

One drive is heard at a time (`current`). Drives by text and audio wait in `queue`; a drive by
socket or room never does: it cuts what is heard, and the queue. What comes by itself when the play
head reaches a point in time is in `advance`, and when that is, in `due`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from math import inf

from ..delays import Delays
from ..playback import Phase, Utterance
from .drive import Drive, Form, Stage
from .knobs import Knobs

QUEUED, DRIVING, FAILED, ENDED = 1, 2, 3, 4
"""Statuses of a drive, as they are told."""


class State(Enum):
    """Where a stream task is, and its status."""

    INIT = auto()
    FAILED = auto()
    IDLE = auto()
    SPEAKING = auto()
    STOPPING = auto()
    STOPPED = auto()

    @property
    def status(self) -> int:
        return {"INIT": 1, "FAILED": 2, "STOPPING": 4, "STOPPED": 5}.get(self.name, 3)


@dataclass(frozen=True, slots=True)
class DriveStatus:
    """What is told of a drive."""

    drive: str
    status: int


class Avatar:
    """One task's digital human.

    Attributes:
        state: Where it is; the task says when it begins and ends.
        drives: All that there ever were, by id.
        current: The one that is heard, or will be next.
        utterances: What drives were heard, in order.
    """

    def __init__(self, knobs: Knobs, delays: Delays) -> None:
        self.knobs = knobs
        self.state = State.INIT
        self.drives: dict[str, Drive] = {}
        self.current: Drive | None = None
        self.queue: list[Drive] = []
        self.utterances: list[Utterance] = []
        self._delays = delays

    @property
    def posture(self) -> str:
        """What its picture shows."""
        said = self.current.utterance if self.current else None
        return "talking" if said and said.started_at is not None else "idle"

    def unheard(self, now: float) -> tuple[int, frozenset[str]]:
        """Returns how many samples an interrupt would cut, and of which drives."""
        cut = [each for each in (self.current, *self.queue) if each]
        said = [each.utterance for each in cut if each.utterance]
        samples = sum(each.samples - each.heard(now) for each in said)
        return samples, frozenset(each.id for each in cut)

    # What the client asks for

    def reserve(self, drive: Drive, now: float) -> list[DriveStatus]:
        """A drive by socket, which begins when the socket says so."""
        events = self.advance(now)
        self.drives[drive.id] = drive
        return events + (self._cut(now) if self.knobs.cut_on == "reserve" else [])

    def enqueue(self, drive: Drive, now: float, *, at_once: bool) -> list[DriveStatus]:
        """A drive by text, audio or room."""
        events = self.advance(now)
        self.drives[drive.id] = drive
        if at_once:
            return events + self._cut(now) + self._begin(drive, now)
        if self.current:
            self.queue.append(drive)
            return [*events, DriveStatus(drive.id, QUEUED)]
        return events + self._begin(drive, now)

    def can_start(self, drive: Drive, now: float) -> bool:
        """Whether Start means anything for a drive."""
        if drive.kind != "ws" or now > drive.valid_until or self.state.status != State.IDLE.status:
            return False
        return drive.stage is Stage.RESERVED or self.knobs.reuse_drive == "allow"

    def start(self, drive: Drive, form: Form, now: float) -> list[DriveStatus]:
        """The socket says that a drive begins."""
        events = self.advance(now) + self._cut(now)
        drive.form = form
        return events + self._begin(drive, now)

    def takes(self, drive: Drive) -> bool:
        """Whether audio for a drive is heard."""
        said = drive.utterance
        return drive is self.current and said is not None and said.sealed_at is None

    def pcm(self, drive: Drive, data: bytes, now: float) -> list[DriveStatus]:
        """Audio of the drive that is heard."""
        events = self.advance(now)
        if not self.takes(drive) or drive.utterance is None:  # it was over just now
            return events
        said = drive.utterance
        drive.touched_at = now
        said.append(drive.mono(data), drive.id, now)
        if said.phase is Phase.DRY and data:
            said.phase = Phase.WAITING
            said.starts_at = now + self._delays.resume_s
        elif said.starts_at == inf and said.samples * 1_000 >= self.knobs.first_frame_ms * (
            said.rate_hz
        ):
            said.starts_at = self._starts_at(now)
        return events

    def stop(self, drive: Drive, now: float) -> list[DriveStatus]:
        """All of a drive is here."""
        events = self.advance(now)
        if not self.takes(drive) or drive.utterance is None:
            return events
        said = drive.utterance
        said.sealed_at = now
        if said.phase is Phase.DRY or not said.samples:
            return events + self._finish(now, ENDED)
        if said.starts_at == inf:
            said.starts_at = self._starts_at(now)
        return events

    def interrupt(self, now: float) -> list[DriveStatus]:
        """What is heard is cut, and the queue is dropped."""
        return self.advance(now) + self._cut(now)

    # What happens by itself

    def due(self) -> float:
        """When the next thing happens by itself; `inf` if nothing will."""
        said = self.current.utterance if self.current else None
        if self.current is None or said is None:
            return inf
        if said.phase is Phase.RUNNING:
            return said.runs_dry_at()
        if said.phase is Phase.WAITING and said.starts_at < inf:
            return said.starts_at
        return self._dry_since() + self.knobs.stall_end_s

    def advance(self, now: float) -> list[DriveStatus]:
        """Returns what has happened by itself up to now, each thing at its own time."""
        events: list[DriveStatus] = []
        while (at := self.due()) <= now:
            events += self._happens(at)
        return events

    def _happens(self, at: float) -> list[DriveStatus]:
        drive = self.current
        assert drive is not None
        said = drive.utterance
        assert said is not None
        if said.phase is Phase.WAITING and said.starts_at < inf:
            first = said.started_at is None
            said.run(at)
            return [DriveStatus(drive.id, DRIVING)] if first else []
        if said.phase is Phase.RUNNING and said.sealed_at is None:
            said.stop(at, Phase.DRY)
            return []
        return self._finish(at, ENDED if said.sealed_at is not None else self.knobs.stalled_status)

    # Below

    def _begin(self, drive: Drive, now: float) -> list[DriveStatus]:
        self.current = drive
        self.state = State.SPEAKING
        drive.stage = Stage.DRIVING
        drive.touched_at = now
        if drive.kind == "rtc":
            return [DriveStatus(drive.id, DRIVING)]
        drive.utterance = Utterance(
            task=drive.id,
            source=drive.id,
            opened_at=now,
            starts_at=inf,
            rate_hz=drive.form.rate_hz,
            keeps_audio=self.knobs.keep_audio,
            speed=self.knobs.playback_speed,
        )
        self.utterances.append(drive.utterance)
        if not drive.pcm:
            return []
        return self.pcm(drive, drive.pcm, now) + self.stop(drive, now)

    def _starts_at(self, now: float) -> float:
        return now + self.knobs.speak_start_ms / 1_000 + self._delays.before_utterance()

    def _dry_since(self) -> float:
        assert self.current is not None
        said = self.current.utterance
        if said and said.dry_since is not None:
            return said.dry_since
        return self.current.touched_at

    def _finish(self, at: float, status: int) -> list[DriveStatus]:
        drive, self.current = self.current, None
        assert drive is not None
        drive.stage = Stage.ENDED
        if drive.utterance:
            drive.utterance.stop(at, Phase.OVER)
        events = [DriveStatus(drive.id, status)]
        if self.state is State.SPEAKING:
            self.state = State.IDLE
            if self.queue:
                return events + self._begin(self.queue.pop(0), at)
        return events

    def _cut(self, now: float) -> list[DriveStatus]:
        waiting, self.queue = self.queue, []
        events: list[DriveStatus] = []
        if self.current:
            if self.current.utterance:
                self.current.utterance.cut = True
            events += self._finish(now, self.knobs.interrupted_status)
        for each in waiting:
            each.stage = Stage.ENDED
            events.append(DriveStatus(each.id, ENDED))
        return events
