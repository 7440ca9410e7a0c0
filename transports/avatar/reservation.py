"""The right to begin one utterance, at a vendor that wants to be asked for it first."""

from __future__ import annotations

from .vendor import Profile


class Reservation:
    """What is known of it, on one leg; no clock of its own.

    Args:
        profile: Says whether one is needed, and how long it is good for.

    Attributes:
        free_at: What was said before is over by this time, as far as is known.
    """

    def __init__(self, profile: Profile) -> None:
        self.needed = profile.reserves
        self.free_at = 0.0
        self._lasts_s = profile.reservation_s
        self._asked: int | None = None  # in which generation
        self._until: float | None = None

    def ask(self, generation: int) -> None:
        """It is asked for."""
        self._asked = generation

    def grant(self, generation: int, *, now: float) -> bool:
        """The vendor gives it; False where it answers what nobody asks any more."""
        if self._asked != generation:
            return False
        self._asked, self._until = None, now + self._lasts_s
        return True

    def forget(self) -> None:
        """It was used, or must be asked for anew."""
        self._asked = self._until = None

    def is_wanted(self, now: float) -> bool:
        """Whether there is none, and none was asked for."""
        return self.needed and self._asked is None and not self._is_good(now)

    def allows(self, now: float) -> bool:
        """Whether there is one, and nothing is heard any more that a new utterance would cut."""
        return self._is_good(now) and now >= self.free_at

    def due(self, now: float) -> float | None:
        """When one of these answers changes by itself."""
        times = (self.free_at, self._until) if self.needed else ()
        return min((t for t in times if t is not None and t > now), default=None)

    def _is_good(self, now: float) -> bool:
        return self._until is not None and now < self._until
