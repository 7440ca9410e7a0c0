"""How much speech the vendor is given at once, and how far ahead of the person.

Small pieces while little is ahead, so that the first one leaves at once; larger ones as the lead
grows, so that a long reply takes few messages. A voice that is slower than speech is never starved
by this: with no lead, whatever there is leaves.
"""

from __future__ import annotations

from .vendor import Profile

LINGER_S = 0.04
"""A piece smaller than the size that was aimed at leaves when no more came for so long."""


class Pacing:
    """Sizes in samples, from a vendor's profile. `largest` is that of the largest piece."""

    def __init__(self, profile: Profile) -> None:
        self._opening = profile.samples(profile.opening_s)
        self._first = max(1, profile.samples(profile.first_chunk_s))
        self.largest = max(self._first, profile.samples(profile.chunk_s))
        self._max_lead = max(self.largest, profile.samples(profile.max_lead_s))

    def piece(self, waiting: int, *, lead: int, more_may_come: bool, opening: bool) -> int:
        """How many of `waiting` samples to send now; 0 where the time has not come.

        Args:
            waiting: Samples that are there.
            lead: Samples that were sent and not heard.
            more_may_come: Whether the TTS is still at it.
            opening: Whether nothing of the utterance was sent yet.
        """
        aim = self.aim(lead)
        patient = lead or (opening and waiting < self._opening)
        if waiting < aim and patient and more_may_come:
            return 0
        size = min(aim, waiting)
        return size if lead + size <= self._max_lead else 0

    def aim(self, lead: int) -> int:
        """The size of the next piece: it grows with what is ahead."""
        return min(max(self._first, lead), self.largest)

    def excess(self, waiting: int, *, lead: int) -> int:
        """How many samples have to be heard before the next piece fits."""
        return max(0, lead + min(self.largest, waiting) - self._max_lead)
