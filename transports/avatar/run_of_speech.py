"""When the person begins and stops hearing the avatar: one pair for a run of speech.

A run is what is heard without a break: the utterances of one reply with less than `GAP_S` between
them. While a reply may still bring more, its end is therefore known `GAP_S` late at the most.
"""

from __future__ import annotations

from .reports import Report, Speaking, SpeakingStarted, SpeakingStopped

GAP_S = 1.0
PERIOD_S = 0.2


class RunOfSpeech:
    """Turns positions of the playhead into `SpeakingStarted`, `Speaking`, `SpeakingStopped`."""

    def __init__(self) -> None:
        self.talking = False
        self.reply_open = False
        self._silent_since: float | None = None
        self._ends_at = 0.0
        self._heard: int | None = None  # at the last `Speaking`
        self._said_at = 0.0

    @property
    def hears(self) -> bool:
        """Whether speech is heard right now, not merely expected to go on."""
        return self.talking and self._silent_since is None

    def advance(self, reports: list[Report], *, now: float, heard: int | None, more: bool) -> None:
        """Look at the playhead: `heard` samples of the utterance in hand, `more` is on its way."""
        if heard:
            self._silent_since = None
            if not self.talking:
                self.talking = True
                self._heard, self._said_at = heard, now
                reports.append(SpeakingStarted())
        if not self.talking:
            return
        if self._silent_since is not None:
            self._ends_at = self._silent_since + (GAP_S if self.reply_open or more else 0.0)
            if now >= self._ends_at:
                self._stop(reports)
        elif now >= self._said_at + PERIOD_S:
            if heard != self._heard:
                reports.append(Speaking())
            self._heard, self._said_at = heard, now

    def ended(self, now: float) -> None:
        """The avatar fell silent, and may go on."""
        if self._silent_since is None:
            self._silent_since = self._ends_at = now

    def cut(self, reports: list[Report]) -> None:
        """The avatar fell silent for good."""
        self.reply_open = False
        if self.talking:
            self._stop(reports)

    def due(self) -> float | None:
        """When it has to look again, if nothing else happens."""
        if not self.talking:
            return None
        return self._said_at + PERIOD_S if self._silent_since is None else self._ends_at

    def _stop(self, reports: list[Report]) -> None:
        self.talking = False
        reports.append(SpeakingStopped())
