"""How many calls of a kind are let through."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Tokens that come back one by one: a call takes one."""

    left: float
    filled_at: float

    def take(self, now: float, rate: float, depth: float) -> bool:
        """Returns whether there was one."""
        self.left = min(depth, self.left + (now - self.filled_at) * rate)
        self.filled_at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


def most_in(times: list[float], seconds: float = 1.0) -> int:
    """Returns how many of some times lie within so many seconds, at most."""
    times, first, most = sorted(times), 0, 0
    for last, at in enumerate(times):
        while at - times[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most
