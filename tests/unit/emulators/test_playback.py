"""An utterance and its play head."""

import pytest

from emulators.playback import RATE_HZ, Phase, Segment, Utterance, heard_between

SECOND = b"\1\0" * 24_000


def running() -> Utterance:
    """A second of speech that is heard since 10.0."""
    utterance = Utterance(task="t", source="u", opened_at=9.0, starts_at=10.0)
    utterance.append(SECOND, "u", 9.0)
    utterance.run(10.0)
    return utterance


def test_the_play_head_moves_with_the_clock_and_stops_with_the_audio() -> None:
    utterance = running()
    assert [utterance.heard(at) for at in (10.0, 10.5, 11.0, 99.0)] == [0, 12_000, 24_000, 24_000]
    assert utterance.runs_dry_at() == pytest.approx(11.0)
    utterance.append(SECOND, "u", 10.5)
    assert utterance.runs_dry_at() == pytest.approx(12.0)


def test_what_was_heard_when_it_stopped_stays() -> None:
    utterance = running()
    utterance.stop(10.25, Phase.DRY)
    utterance.run(20.0)
    utterance.stop(20.25, Phase.OVER)
    assert utterance.segments(99.0) == [Segment(10.0, 0, 6_000), Segment(20.0, 6_000, 6_000)]
    assert utterance.heard_audio(99.0) == SECOND[:24_000]


def test_half_a_sample_waits_for_its_other_half() -> None:
    utterance = Utterance(task="t", source=None, opened_at=0.0, starts_at=0.0)
    utterance.append(b"\1", None, 0.0)
    assert utterance.samples == 0
    utterance.append(b"\2\3", None, 0.0)
    assert utterance.samples == 1
    assert [(each.first, each.size) for each in utterance.chunks] == [(0, 1), (1, 2)]


def frames(utterances: list[Utterance], start: float, seconds: float) -> bytes:
    """What is heard, asked for in pieces of 20 ms."""
    pieces = range(round(seconds / 0.02))
    return b"".join(heard_between(utterances, start + each * 0.02, 480) for each in pieces)


def test_what_is_heard_in_a_room_is_every_sample_at_its_time_with_silence_around_it() -> None:
    spoken = bytes(range(256)) * 94  # no two samples near one another are alike
    first = Utterance(task="t", source="u", opened_at=9.0, starts_at=10.0)
    first.append(spoken, "u", 9.0)
    first.run(10.013)
    second = running()
    second.run(11.0)
    heard = frames([first, second], 9.99, 0.6)
    begin = round(0.023 * RATE_HZ) * 2
    assert heard[:begin] == bytes(begin)
    assert heard[begin : begin + len(spoken)] == spoken
    assert heard[begin + len(spoken) :] == bytes(len(heard) - begin - len(spoken))


def test_speech_that_is_cut_is_silent_in_the_room_from_there_on() -> None:
    utterance = running()
    utterance.stop(10.25, Phase.OVER)
    heard = frames([utterance], 10.0, 0.5)
    assert heard == SECOND[:12_000] + bytes(12_000)
    assert frames([Utterance("t", "u", 0.0, 0.0, keeps_audio=False)], 0.0, 0.1) == bytes(4_800)
