"""What was found, as a table: everybody beside everybody."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence

import numpy as np

from .clients import CLIENTS
from .scene import Finding, Findings

RESAMPLINGS = 2_000
Values = dict[str, list[Finding]]
"""Of one line: what was found of each client."""


def lines(found: dict[str, list[Findings]]) -> dict[str, Values]:
    """From what was found of each client to the lines of the table."""
    table: dict[str, Values] = {}
    for client, findings in found.items():
        for each in findings:
            for label, value in each.items():
                table.setdefault(label, {}).setdefault(client, []).append(value)
    return table


def cell(values: Sequence[Finding] | None) -> str:
    """Median / p99, spread and number; how many of how many; or what was said."""
    known = [each for each in values or () if each is not None]
    if not known:
        return "–"
    if isinstance(known[0], bool):
        return f"{sum(map(bool, known))}/{len(known)}"
    if isinstance(known[0], str):
        counts = Counter(map(str, known)).most_common()
        return "; ".join(what if len(counts) == 1 else f"{what} ({n})" for what, n in counts)
    numbers = [float(each) for each in known]
    if len(numbers) == 1 or min(numbers) == max(numbers):
        return f"{short(numbers[0])} (n={len(numbers)})"
    spread = f"{short(min(numbers))}…{short(max(numbers))}"
    middle = f"{short(statistics.median(numbers))} / {short(p99(numbers))}"
    return f"{middle} ({spread}, n={len(numbers)})"


def short(number: float) -> str:
    """With as many digits as say something."""
    if not math.isfinite(number):
        return "∞"
    size = abs(number)
    return f"{number:.0f}" if size >= 100 else f"{number:.1f}" if size >= 10 else f"{number:.2f}"


def p99(numbers: Sequence[float]) -> float:
    return float(np.percentile(numbers, 99))


def difference(ours: Sequence[float], theirs: Sequence[float], seed: int = 1) -> str:
    """Ours less theirs, at the median and at p99, with the 95 % interval of a bootstrap."""
    random = np.random.default_rng(seed)
    parts = []
    for name, at in (("p50", 50), ("p99", 99)):
        drawn = [
            np.percentile(random.choice(values, (RESAMPLINGS, len(values))), at, axis=1)
            for values in (ours, theirs)
        ]
        low, high = np.percentile(drawn[0] - drawn[1], (2.5, 97.5))
        here = float(np.percentile(ours, at) - np.percentile(theirs, at))
        parts.append(f"{name} {here:+.2f} [{low:+.2f}, {high:+.2f}]")
    return ", ".join(parts)


def differences(table: dict[str, Values]) -> list[str]:
    """For each latency of an interrupt: ours against the fastest of the peers."""
    said = []
    for label, values in table.items():
        if not label.endswith("received, ms"):
            continue
        numbers = {
            name: [float(each) for each in found if each is not None]
            for name, found in values.items()
        }
        ours = numbers.pop("ours", [])
        theirs = {
            name: found for name, found in numbers.items() if found and not name.startswith("ours")
        }
        if len(ours) < 2 or not theirs:
            continue
        fastest = min(theirs, key=lambda name: statistics.median(theirs[name]))
        said.append(f"- {label}: ours minus {fastest}: {difference(ours, theirs[fastest])}")
    return said


def markdown(table: dict[str, Values]) -> str:
    """The table, and under it what the differences are worth."""
    present = [
        each.name for each in CLIENTS if any(each.name in values for values in table.values())
    ]
    said = [
        "| median / p99 (least…most, n) | " + " | ".join(present) + " |",
        "|---|" + "---|" * len(present),
    ]
    for label, values in table.items():
        cells = [cell(values.get(name)) for name in present]
        said.append(f"| {label} | {' | '.join(cells)} |")
    if compared := differences(table):
        said += ["", "Difference at p50 and p99, with the 95 % interval of a bootstrap:", *compared]
    return "\n".join(said)
