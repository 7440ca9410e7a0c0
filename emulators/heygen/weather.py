"""What happens to events between the vendor and the client: late, lost, twice, out of order."""

from __future__ import annotations

from random import Random

from .dialect import Message
from .knobs import Knobs


def arrivals(message: Message, knobs: Knobs, random: Random) -> list[float]:
    """Returns after how many seconds a message arrives, once for each time that it does."""
    copies = 1
    if message["type"].startswith("agent."):
        if random.random() < knobs.event_drop:
            return []
        if message["type"] == "agent.speak_ended" and random.random() < knobs.drop_speak_ended:
            return []
        copies += random.random() < knobs.event_repeat
    return [
        (knobs.event_delay_ms + random.uniform(0, knobs.event_jitter_ms)) / 1_000
        for _ in range(copies)
    ]
