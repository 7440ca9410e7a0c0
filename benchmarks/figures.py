"""How figures are told: runs, median, p95, spread, and the machine."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence


def machine() -> str:
    """One line about where this was measured."""
    load = os.getloadavg()[0]
    cores = os.cpu_count()
    return (
        f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, load {load:.1f}"
    )


def summary(name: str, values: Sequence[float], unit: str = "ms") -> str:
    """One line: number of runs, median, p95, minimum and maximum."""
    if not values:
        return f"{name:<42} no runs"
    ranked = sorted(values)
    p95 = ranked[min(len(ranked) - 1, round(0.95 * (len(ranked) - 1)))]
    median = statistics.median(ranked)
    return (
        f"{name:<42} n={len(ranked):<3} p50 {median:7.0f}  p95 {p95:7.0f}  "
        f"min {ranked[0]:7.0f}  max {ranked[-1]:7.0f} {unit}"
    )
