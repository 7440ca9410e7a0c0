"""Where in an utterance the person is.

The position follows what the vendor tells. Between two tellings it moves on in real time, never
past what was sent, and it never goes back: a word that was reported as heard stays heard. Where
nothing is told, or nothing new for `SILENCE_S`, a model takes over: the first sample is heard a
start delay after it was sent, and the rest follows in real time as long as there is some. Speech
that waits behind other speech is heard when that is over.
"""

from __future__ import annotations

SILENCE_S = 1.0
"""How long a vendor that acknowledges may say nothing new before the model takes over."""

FOLLOWING_S = 0.3
"""The same for speech that follows other speech at once: its start is told soon, or not at all."""

_ROUNDING = 1e-3
"""Of a sample: at the time that `when` gives for a sample, `at` has reached it."""


class Playhead:
    """The position of one utterance, in samples; no clock of its own."""

    def __init__(self, *, sample_rate: int, start_delay_s: float, awaits_vendor: bool) -> None:
        self._rate = sample_rate
        self._start_delay_s = start_delay_s
        self._awaits_vendor = awaits_vendor
        self._gave_up = False
        self._sent = 0
        self._reached = 0  # never goes back
        self._anchor: tuple[float, int] | None = None  # (time, sample heard at that time)
        self._told: int | None = None  # the vendor's last word
        self._follows = False  # other speech is heard first
        self._earliest = 0.0
        self._news_at = 0.0  # when it last told something new, or was first sent something
        self._came_up = False

    @property
    def waited_in_vain(self) -> bool:
        """Whether the vendor did not tell the start of speech that nothing was before."""
        return self._gave_up and not self._came_up and self._told is None

    @property
    def sent(self) -> int:
        """How many samples the vendor has been given."""
        return self._sent

    def follow(self) -> None:
        """What is sent from now on waits behind other speech, until `come_up`."""
        self._follows = True

    def come_up(self, *, since: float, now: float) -> None:
        """The speech before it was heard to its end at the time `since`."""
        self._came_up = self._follows
        if self._follows and self._sent:
            self._anchor = (max(since, self._earliest), 0)
            self._news_at = now - SILENCE_S + FOLLOWING_S
        self._follows = False

    def send(self, samples: int, *, now: float) -> None:
        """`samples` more were handed over."""
        if self._sent == 0:
            self._earliest = now + self._start_delay_s
        if self._follows:
            pass
        elif self._sent == 0:
            self._anchor = (self._earliest, 0)
            self._news_at = now
        elif self.at(now) >= self._sent:
            # It ran dry: the rest is heard from now on. Silence until here was ours, not theirs.
            self._anchor = (now, self._sent)
            self._news_at = now
        self._sent += samples

    def started(self, *, now: float) -> None:
        """The vendor says that the first sample is audible now."""
        if self._told is None and self._sent:
            self._tell(0, now)

    def played(self, samples: int, *, now: float) -> bool:
        """The vendor says that so many samples were heard; False when that cannot be true."""
        if not (self._told or 0) <= samples <= self._sent:
            return False
        if samples != self._told:
            self._tell(samples, now)
        elif now < self._news_at + SILENCE_S:
            self._anchor = (now, samples)  # it stands still, and is believed for a while
        return True

    def finished(self, *, now: float) -> None:
        """The vendor says that all was heard."""
        self._tell(self._sent, now)

    def may_be_over(self, *, now: float) -> bool:
        """Whether it can be this that was heard to its end: it has begun, or had the time to."""
        earliest = self._earliest - self._start_delay_s
        return self._told is not None or now >= earliest + self._sent / self._rate

    def at(self, now: float) -> int:
        """Samples heard by `now`."""
        if self._anchor is not None and not self._waiting(now):
            time, sample = self._anchor
            position = sample + int((now - time) * self._rate + _ROUNDING)
            self._reached = max(self._reached, min(position, self._sent))
        return self._reached

    def when(self, sample: int) -> float | None:
        """When `sample` will be heard if all goes on as it does; None while that is not known.

        Past what was sent so far that is a guess which the next `send` mends.
        """
        if self._anchor is None:
            return None
        time, anchored = self._anchor
        due = time + (sample - anchored) / self._rate
        return max(due, self._news_at + SILENCE_S) if self._expects_news() else due

    def _tell(self, samples: int, now: float) -> None:
        self._told = samples
        self._follows = False
        self._anchor = (now, samples)
        self._news_at = now

    def _expects_news(self) -> bool:
        return self._awaits_vendor and self._told is None

    def _waiting(self, now: float) -> bool:
        if self._expects_news() and now >= self._news_at + SILENCE_S:
            self._awaits_vendor = False  # waited once for this utterance, and not again
            self._gave_up = True
        return self._expects_news()
