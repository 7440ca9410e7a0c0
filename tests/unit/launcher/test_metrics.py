"""What Prometheus is told."""

from __future__ import annotations

from launcher.backend import Capacity, Session, State, Why
from launcher.metrics import Metrics
from launcher.reaper import Figures
from transports.avatar.journal import Standing


def test_everything_is_counted_by_what_it_was() -> None:
    metrics = Metrics()
    metrics.started("ready")
    metrics.started("draining")
    metrics.came_up(0.12)
    metrics.ended(Why.CRASHED)
    talking = Session("1", "a", "websocket", State.TALKING, 0.0, 1)
    figures = Figures({"V": Standing(named=2, paid_s=30.0)}, reaped=3, open_tries=1)
    text = metrics.exposition([talking, talking], Capacity(2, 40, draining=True), figures).decode()
    for line in (
        'avatarbot_sessions{state="talking"} 2.0',
        'avatarbot_sessions{state="waiting"} 0.0',
        "avatarbot_sessions_most 40.0",
        'avatarbot_account_slots_taken{account="V"} 2.0',
        'avatarbot_account_paid_seconds{account="V"} 30.0',
        "avatarbot_reaped 3.0",
        "avatarbot_reaping 1.0",
        "avatarbot_draining 1.0",
        'avatarbot_starts_total{outcome="ready"} 1.0',
        'avatarbot_start_seconds_bucket{le="0.1"} 0.0',
        'avatarbot_start_seconds_bucket{le="0.15"} 1.0',
        'avatarbot_ends_total{reason="crashed"} 1.0',
        'avatarbot_ends_total{reason="hung"} 0.0',
    ):
        assert line in text.splitlines()
    assert "_created" not in text
