"""Where the person is, told by the vendor or by the model."""

from __future__ import annotations

import pytest

from transports.avatar.playhead import SILENCE_S, Playhead


def playhead(*, awaits: bool = False) -> Playhead:
    return Playhead(sample_rate=1_000, start_delay_s=0.5, awaits_vendor=awaits)


def test_the_model_starts_after_the_delay_and_stops_where_the_speech_ends() -> None:
    head = playhead()
    head.send(1_000, now=10.0)
    assert [head.at(t) for t in (10.4, 10.5, 11.0, 11.5, 20.0)] == [0, 0, 500, 1_000, 1_000]
    assert head.when(500) == 11.0


def test_after_running_dry_it_goes_on_when_more_is_sent() -> None:
    head = playhead()
    head.send(1_000, now=10.0)
    head.send(1_000, now=20.0)
    assert [head.at(t) for t in (20.0, 20.5, 21.0)] == [1_000, 1_500, 2_000]


def test_a_vendor_that_tells_is_waited_for_but_not_for_ever() -> None:
    head = playhead(awaits=True)
    head.send(5_000, now=10.0)
    assert head.at(10.0 + SILENCE_S - 0.01) == 0
    assert head.at(10.0 + SILENCE_S) == 500
    assert head.at(11.5) == 1_000
    head.started(now=11.5)
    assert head.at(12.0) == 1_000  # what was reached is not taken back
    assert head.at(13.0) == 1_500


def test_who_was_waited_for_in_vain_is_not_waited_for_again() -> None:
    head = playhead(awaits=True)
    head.send(100, now=10.0)
    assert head.at(11.0) == 100
    head.send(1_000, now=11.0)
    assert head.at(11.5) == 600


def test_a_report_is_followed_and_read_on_from() -> None:
    head = playhead(awaits=True)
    head.send(5_000, now=10.0)
    assert head.played(200, now=11.0)
    assert head.at(11.3) == 500


def test_a_playback_that_stands_still_is_believed_for_a_while() -> None:
    head = playhead(awaits=True)
    head.send(5_000, now=10.0)
    head.played(200, now=11.0)
    for tenth in range(1, 9):
        assert head.played(200, now=11.0 + tenth / 10)
    assert head.at(11.8) <= 300
    head.played(200, now=12.5)
    head.played(200, now=13.5)
    assert head.at(13.5) > 1_500


@pytest.mark.parametrize("samples", [-1, 5_001, 10**12, 199])
def test_reports_out_of_bounds_or_backwards_are_refused(samples: int) -> None:
    head = playhead(awaits=True)
    head.send(5_000, now=10.0)
    head.played(200, now=11.0)
    assert not head.played(samples, now=11.0)
    assert head.at(11.0) == 200


def test_it_never_goes_back() -> None:
    head = playhead()
    head.send(5_000, now=10.0)
    assert head.at(12.0) == 1_500
    assert head.at(11.0) == 1_500


def test_speech_behind_other_speech_is_heard_after_it() -> None:
    playhead = Playhead(sample_rate=24_000, start_delay_s=0.2, awaits_vendor=False)
    playhead.follow()
    playhead.send(24_000, now=0.0)
    assert playhead.at(3.0) == 0
    assert playhead.when(1) is None
    playhead.come_up(since=4.0, now=4.1)
    assert playhead.at(4.5) == 12_000


def test_speech_that_was_sent_late_is_not_heard_before_it_was_sent() -> None:
    playhead = Playhead(sample_rate=24_000, start_delay_s=0.2, awaits_vendor=False)
    playhead.follow()
    playhead.send(24_000, now=4.5)
    playhead.come_up(since=4.0, now=5.0)
    assert playhead.at(5.2) == 12_000
