"""What can be counted of sessions, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from .backend import Capacity, Session, State, Why
from .reaper import Figures

_READY_S = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20)

disable_created_metrics()  # type: ignore[no-untyped-call]  # nobody asks when a counter was made


class Metrics:
    """Told by the backend and by the HTTP side; asked by Prometheus."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._sessions = Gauge(
            "avatarbot_sessions", "Sessions there are.", ["state"], registry=self.registry
        )
        self._most = Gauge(
            "avatarbot_sessions_most", "Sessions there may be.", registry=self.registry
        )
        self._draining = Gauge(
            "avatarbot_draining", "1 once no more sessions are begun.", registry=self.registry
        )
        self._starts = Counter(
            "avatarbot_starts", "Sessions asked for.", ["outcome"], registry=self.registry
        )
        self._ready_s = Histogram(
            "avatarbot_start_seconds",
            "From the request to a session that can be joined.",
            buckets=_READY_S,
            registry=self.registry,
        )
        self._ends = Counter(
            "avatarbot_ends", "Sessions that are over.", ["reason"], registry=self.registry
        )
        for why in Why:
            self._ends.labels(why.value)
        self._taken = Gauge(
            "avatarbot_account_slots_taken",
            "Sessions that an account has at its vendor, or is about to have.",
            ["account"],
            registry=self.registry,
        )
        self._paid_s = Gauge(
            "avatarbot_account_paid_seconds",
            "How long all of an account's sessions have run that are over.",
            ["account"],
            registry=self.registry,
        )
        self._reaped = Gauge(
            "avatarbot_reaped", "Sessions of dead processes ended here.", registry=self.registry
        )
        self._reaping = Gauge(
            "avatarbot_reaping", "Sessions of dead processes being ended.", registry=self.registry
        )

    def started(self, outcome: str) -> None:
        """A session was asked for: `ready`, or what came instead."""
        self._starts.labels(outcome).inc()

    def came_up(self, seconds: float) -> None:
        """A person could come, so long after the session was asked for."""
        self._ready_s.observe(seconds)

    def ended(self, why: Why) -> None:
        """A session has ended."""
        self._ends.labels(why.value).inc()

    def watch_zygote(self, age_s: Callable[[], float]) -> None:
        """Tell how old the process is that sessions are forked from."""
        gauge = Gauge(
            "avatarbot_zygote_age_seconds",
            "Age of the process that sessions are forked from.",
            registry=self.registry,
        )
        gauge.set_function(age_s)

    def exposition(
        self, sessions: Iterable[Session], capacity: Capacity, figures: Figures
    ) -> bytes:
        """All of it, in Prometheus' text format."""
        for account, standing in figures.accounts.items():
            self._taken.labels(account).set(standing.taken)
            self._paid_s.labels(account).set(standing.paid_s)
        self._reaped.set(figures.reaped)
        self._reaping.set(figures.open_tries)
        counts = dict.fromkeys(State, 0)
        for session in sessions:
            counts[session.state] += 1
        for state, count in counts.items():
            self._sessions.labels(state.value).set(count)
        self._most.set(capacity.most)
        self._draining.set(capacity.draining)
        return generate_latest(self.registry)
