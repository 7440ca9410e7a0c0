"""An utterance and its play head."""

import pytest

from emulators.heygen.playback import Phase, Segment, Utterance

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
