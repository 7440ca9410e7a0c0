"""How much of something may come: so much at once, and so much per second after that."""


class Allowance:
    """A bucket that fills slowly. It knows no clock: `now` is handed in, in seconds."""

    def __init__(self, per_s: float, most: float, *, now: float) -> None:
        self._per_s = per_s
        self._most = most
        self._left = most
        self._at = now

    def spend(self, amount: float, *, now: float) -> bool:
        """Takes the amount, if that much is there; returns whether it was."""
        self._left = min(self._most, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < amount:
            return False
        self._left -= amount
        return True

    def due_s(self, amount: float) -> float:
        """How long after it was last asked that much will be there."""
        return max(0.0, (amount - self._left) / self._per_s)
