"""Shared by the tests of the avatar: a voice whose samples are numbered, and a core's day."""

from __future__ import annotations

from itertools import count

import numpy as np

from transports.avatar.commands import Begin, Command, EndSpeech, Interrupt, Speak
from transports.avatar.core import SpeechCore
from transports.avatar.leg import Leg
from transports.avatar.reports import Report
from transports.avatar.vendor import Profile

RATE = 24_000
MANY_STEPS = 2_000


def voice(seconds: float, first: int = 0) -> bytes:
    """PCM in which each sample is its own number, from `first` on."""
    numbers = np.arange(first, first + round(seconds * RATE), dtype=np.int64)
    return (numbers % 65_536).astype("<u2").tobytes()


def numbers(pcm: bytes) -> list[int]:
    """The samples of such a voice."""
    return np.frombuffer(pcm, dtype="<u2").tolist()


class Day:
    """Drives a core through time, and notes what it says.

    `others` are the profiles of further legs; `legs` has all of them, `leg` is the first.
    """

    def __init__(self, profile: Profile, *others: Profile, ready: bool = True) -> None:
        names = count(1)
        self.legs = [Leg(each) for each in (profile, *others)]
        self.leg = self.legs[0]
        self.core = SpeechCore(self.leg, new_id=lambda: f"u{next(names)}")
        self.now = 100.0
        self.commands: list[Command] = []
        self.told: list[Leg] = []  # for each command, who
        self.reports: list[tuple[float, Report]] = []
        if ready:
            for leg in self.legs:
                self.core.ready(leg, now=self.now)

    def look(self) -> list[Command]:
        """Take what the core has to say now; returns the new commands."""
        new = []
        for leg in self.legs:
            while (command := leg.next_command()) is not None:
                new.append(command)
                self.told.append(leg)
        self.commands += new
        self.reports += [(self.now, report) for report in self.core.take_reports()]
        return new

    def pass_time(self, seconds: float) -> None:
        """Let time pass as a session does: look whenever the core asks to."""
        end = self.now + seconds
        for _ in range(MANY_STEPS):
            self.core.advance(now=self.now)
            self.look()
            due = self.core.due(now=self.now)
            if due is None or due > end:
                break
            self.now = max(self.now, due)
        else:
            raise AssertionError("the core asks to be looked at again and again")
        self.now = end
        self.core.advance(now=self.now)
        self.look()

    def say(self, seconds: float, run: str = "run") -> None:
        """A whole utterance at once."""
        self.core.begin(run, now=self.now)
        self.core.audio(voice(seconds), now=self.now)
        self.core.end(now=self.now)
        self.look()

    def said(self, kind: type[Report]) -> list[Report]:
        """The reports of a kind."""
        return [report for _, report in self.reports if isinstance(report, kind)]

    def when(self, kind: type[Report]) -> float:
        """When the first report of a kind was made."""
        return next(at for at, report in self.reports if isinstance(report, kind))

    def sent(self) -> bytes:
        """All PCM that was sent."""
        return b"".join(c.pcm for c in self.commands if isinstance(c, Speak))

    def of(self, leg: Leg) -> list[Command]:
        """What this leg was told."""
        return [c for c, told in zip(self.commands, self.told, strict=True) if told is leg]

    def interrupts(self) -> list[Interrupt]:
        """The interrupts that were sent."""
        return [c for c in self.commands if isinstance(c, Interrupt)]

    def kinds(self) -> list[type[Command]]:
        """The order of what was sent, with repetitions left out."""
        kinds = [type(c) for c in self.commands]
        return [k for i, k in enumerate(kinds) if i == 0 or kinds[i - 1] is not k]


__all__ = ["RATE", "Begin", "Day", "EndSpeech", "Interrupt", "Speak", "numbers", "voice"]
