"""What happens to events between the vendor and the client: late, lost, twice, out of order."""

from __future__ import annotations

from random import Random
from typing import Literal

from .knobs import Habits

About = Literal["session", "speech", "end of speech"]


def arrivals(about: About, habits: Habits, random: Random) -> list[float]:
    """Returns after how many seconds an event arrives, once for each time that it does."""
    copies = 1
    if about != "session":
        if random.random() < habits.event_drop:
            return []
        if about == "end of speech" and random.random() < habits.drop_speak_ended:
            return []
        copies += random.random() < habits.event_repeat
    return [
        (habits.event_delay_ms + random.uniform(0, habits.event_jitter_ms)) / 1_000
        for _ in range(copies)
    ]
