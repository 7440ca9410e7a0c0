"""When a session ends by itself, and why: idle, over its time, abandoned, or out of credits."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(slots=True)
class Lifetime:
    """The deadlines of one session that was started; times in seconds of the caller's clock."""

    started_at: float
    limit_s: float
    idle_s: float
    abandoned_s: float
    active_at: float
    unattended_since: float | None
    mute_s: float = 0.0

    def due(self) -> float:
        """When it ends."""
        return min(self._deadlines().values())

    def reason(self, now: float) -> str | None:
        """Why it is over now, or None while it is not."""
        ended = {at: why for why, at in self._deadlines().items() if at <= now}
        return ended[min(ended)] if ended else None

    def mutes_at(self) -> float:
        """When speech stops without a word: `inf` where the end is told."""
        return self.started_at + self.limit_s if self.mute_s else inf

    def _deadlines(self) -> dict[str, float]:
        abandoned = inf if self.unattended_since is None else self.unattended_since
        return {
            "MAX_DURATION_REACHED": self.started_at + self.limit_s + self.mute_s,
            "IDLE_TIMEOUT": self.active_at + self.idle_s,
            "ZOMBIE_SESSION_REAP": abandoned + self.abandoned_s,
        }


@dataclass(slots=True)
class Account:
    """Credits of one service: one per begun minute, the first at the start.

    Attributes:
        left: Credits that can still be used.
    """

    left: float

    def can_start(self) -> bool:
        return self.left >= 1


@dataclass(slots=True)
class Meter:
    """What one session has cost."""

    account: Account
    started_at: float
    free: bool = False
    charged: int = 0

    def due(self) -> float:
        """When the next minute begins that has to be paid."""
        return inf if self.free else self.started_at + 60 * self.charged

    def charge(self, now: float) -> bool:
        """Pays what has begun; False if that was more than there was."""
        while self.due() <= now:
            if not self.account.can_start():
                return False
            self.account.left -= 1
            self.charged += 1
        return True
