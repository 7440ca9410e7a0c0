"""How much of something may come: so much at once, and so much per second after that."""


class Allowance:
    """A bucket that fills slowly. It knows no clock: `now` is handed in, in seconds."""

    def __init__(self, per_s: float, most: float, *, now: float) -> None:
        self._per_s = per_s
        self._most = most
        self._left = most
        self._at = now

    def spend(self, amount: float, *, now: float) -> bool:
        """Takes the amount; returns whether that much was there."""
        self._left = min(self._most, self._left + (now - self._at) * self._per_s) - amount
        self._at = now
        return self._left >= 0
