"""Codec and core together: what is heard is known within 150 ms, whatever the server's dialect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.transports.avatar.speaking import Day, voice
from transports.avatar.reports import Heard, SpeakingStarted, SpeakingStopped
from transports.heygen.alpha import PROFILE, AlphaWire
from transports.heygen.vendor import FASTEST
from transports.heygen.wire import ControlWire

DELAY_S = 0.45  # the profile says 0.2
GAP_S = 0.1
GRACES_S = 0.6  # without a word between two sentences it takes so long to go on
EVERY_S = 0.02


class Server:
    """Plays what it has, one utterance after the other, and tells of it in a dialect."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect

    def events(self, starts: float, lengths: list[float]) -> Iterator[tuple[float, str]]:
        at = starts
        for number, length in enumerate(lengths, 1):
            yield from ((at, each) for each in self._of(number, "speak_started", "talking"))
            at += length
            yield from ((at, each) for each in self._of(number, "speak_ended", "idle"))
            at += GAP_S

    def _of(self, number: int, kind: str, state: str) -> Iterator[str]:
        about = {"source_event_id": f"u{number}"}
        told = {"type": "agent.state_updated", "new_state": state}
        if "S" in self.dialect:
            yield json.dumps({"type": f"agent.{kind}"} | about)
        if "T" in self.dialect:
            yield json.dumps({"type": f"agent.{kind}", "task": {"id": f"t{number}"}})
        if "states" in self.dialect:
            yield json.dumps(told)
        if "twice" in self.dialect:
            yield from Server(self.dialect.replace("twice", ""))._of(number, kind, state)


@pytest.mark.parametrize("dialect", ["S states", "S", "T", "states", "S states twice", "T twice"])
def test_sentences_are_heard_when_the_server_plays_them(dialect: str) -> None:
    day, wire = Day(FASTEST), ControlWire("HeyGen", awaits_connected=False)
    lengths = [2.0, 0.5, 3.0, 1.2]
    start = day.now
    for number, length in enumerate(lengths):
        day.core.begin(f"run{number}", now=day.now)
        day.core.audio(voice(length), now=day.now)
        day.core.word(("first of", number), round(0.2 * 24_000), now=day.now)
        day.core.word(("last of", number), round(length * 24_000), now=day.now)
        day.core.end(now=day.now)
    events = list(Server(dialect).events(start + DELAY_S, lengths))
    while day.now < start + 12:
        for command in day.commands:
            wire.encode(command)
        day.commands.clear()
        while events and events[0][0] <= day.now:
            for event in wire.decode(events.pop(0)[1]):
                day.core.receive(event, day.leg, now=day.now)
        day.pass_time(EVERY_S)
    at = start + DELAY_S
    for number, length in enumerate(lengths):
        assert heard(day, ("first of", number)) == pytest.approx(at + 0.2, abs=0.15)
        assert heard(day, ("last of", number)) == pytest.approx(at + length, abs=0.15)
        at += length + GAP_S
    assert day.when(SpeakingStarted) == pytest.approx(start + DELAY_S, abs=0.05)
    (stopped,) = [when for when, report in day.reports if isinstance(report, SpeakingStopped)]
    assert stopped == pytest.approx(at - GAP_S, abs=0.15)


def test_sentences_without_a_word_between_them_are_followed_by_their_length() -> None:
    day, wire = Day(FASTEST), ControlWire("HeyGen", awaits_connected=False)
    start = day.now
    for number in range(3):
        day.core.begin(f"run{number}", now=day.now)
        day.core.audio(voice(2.0), now=day.now)
        day.core.word(number, 24_000, now=day.now)
        day.core.end(now=day.now)
    day.look()
    for command in day.commands:
        wire.encode(command)
    day.pass_time(DELAY_S)
    for event in wire.decode(json.dumps({"type": "agent.state_updated", "new_state": "talking"})):
        day.core.receive(event, day.leg, now=day.now)
    day.pass_time(6.0)
    for event in wire.decode(json.dumps({"type": "agent.state_updated", "new_state": "idle"})):
        day.core.receive(event, day.leg, now=day.now)
    day.pass_time(0.1)
    assert day.core.quiet
    for number in range(3):
        truth = start + DELAY_S + 2.0 * number + 1.0
        assert truth - 0.01 <= heard(day, number) <= truth + GRACES_S


def test_idleness_that_is_told_late_is_not_the_end_of_speech_that_was_only_just_sent() -> None:
    day, wire = Day(PROFILE), AlphaWire("HeyGen", awaits_connected=False)
    for length, state in ((1.0, "talking"), (5.0, "idle")):  # which is the end of the first one
        before = len(day.commands)
        day.say(length)
        for command in day.commands[before:]:
            wire.encode(command)
        for event in wire.decode(json.dumps({"type": "agent.state_updated", "new_state": state})):
            day.core.receive(event, day.leg, now=day.now)
        day.pass_time(1.3)
    assert day.core.interrupt(now=day.now), "more than three seconds of it are unheard"


def test_speech_whose_start_and_end_become_known_at_once_is_announced() -> None:
    day, wire = Day(FASTEST), ControlWire("HeyGen", awaits_connected=False)
    day.core.begin("run", now=day.now)
    day.core.audio(voice(0.3), now=day.now)
    day.core.end(now=day.now)
    day.look()
    for command in day.commands:
        wire.encode(command)
    day.pass_time(0.6)  # for which the loop was blocked, and then reads both
    for kind in ("speak_started", "speak_ended"):
        for event in wire.decode(json.dumps({"type": f"agent.{kind}", "source_event_id": "u1"})):
            day.core.receive(event, day.leg, now=day.now)
    day.pass_time(0.1)
    assert day.when(SpeakingStarted) == pytest.approx(day.now, abs=0.2)


def heard(day: Day, word: Any) -> float:
    return next(at for at, said in day.reports if isinstance(said, Heard) and said.cue == word)
