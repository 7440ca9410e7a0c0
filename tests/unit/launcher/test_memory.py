"""Memory is told, and not looked up more often than it changes."""

from __future__ import annotations

import pytest

from launcher import memory


def test_memory_of_this_process_is_told() -> None:
    assert 5 < memory.private_mb() < 5_000


def test_figure_is_read_again_when_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    now, figures = [0.0], iter([1.0, 2.0])
    monkeypatch.setattr(memory, "private_mb", lambda: next(figures))
    meter = memory.Meter(lambda: now[0])
    assert [meter(), meter()] == [1.0, 1.0]
    now[0] = memory.READ_S
    assert [meter(), meter()] == [2.0, 2.0]
