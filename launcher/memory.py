"""How much memory a process has for itself."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable

READ_S = 5.0
"""How old a figure may be: the kernel looks at every page of the process to tell it."""


def private_mb(pid: int | None = None) -> float:
    """Memory that a process shares with no other, in MB: by default this one's."""
    try:
        with open(f"/proc/{pid or 'self'}/smaps_rollup") as lines:
            private = [line.split() for line in lines if line.startswith("Private_")]
    except FileNotFoundError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # all, and at its most
        return most / (2**20 if sys.platform == "darwin" else 2**10)
    return sum(int(fields[1]) for fields in private) / 1024


class Meter:
    """Reads `private_mb` now and then.

    Args:
        now: The time, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._read_at = 0.0
        self._mb: float | None = None

    def __call__(self) -> float:
        """The figure, which may be some seconds old."""
        if self._mb is None or self._now() - self._read_at >= READ_S:
            self._mb, self._read_at = private_mb(), self._now()
        return self._mb
