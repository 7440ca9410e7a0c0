"""The alpha realtime API: speech is appended to a buffer, and played when it is committed.

https://docs.heygen.com/docs/interactive-avatar-realtime-api, as of 2026-11-20. It says nothing of
what the server tells; the server is the same one as for the later generations, so that its events
are understood where they come, and not waited for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..avatar.vendor import Profile
from .interactive import InteractiveVendor
from .vendor import FASTEST
from .wire import ControlWire, say

PROFILE: Profile = replace(FASTEST, acknowledges=frozenset())
"""The first segment leaves at once; then they grow with the lead to 1 s, the least of the advised
1 to 4 s. One that is held back for its length alone would make a slow voice falter."""

FILLER = "AA=="
"""A commit carries audio too. The vendor's own demo puts one zero byte there: that is no sample."""


class AlphaWire(ControlWire):
    """Every piece is committed at once, so that nothing waits unheard in the buffer."""

    def speech(self, utterance: str, audio: str) -> list[str]:
        """Append, and play."""
        return [
            say("agent.audio_buffer_append", utterance, audio=audio),
            say("agent.audio_buffer_commit", audio=FILLER),
        ]

    def end(self, utterance: str) -> list[str]:
        """There is no verb for it: the last commit was the end."""
        return []

    def silence(self, event_id: str) -> list[str]:
        """Fall silent, then drop what was appended and, by a fault, not committed."""
        return [say("agent.interrupt", event_id), say("agent.audio_buffer_clear")]


class AlphaVendor(InteractiveVendor):
    """One session of the alpha realtime API; see `InteractiveVendor`.

    Args:
        profile: How it is spoken to.
        awaits_connected: Whether commands wait until the server says `connected`, as the later
            generations must. The alpha document does not mention it.
        settings: See `InteractiveVendor`.
    """

    def __init__(
        self, *, profile: Profile = PROFILE, awaits_connected: bool = True, **settings: Any
    ) -> None:
        super().__init__(profile=profile, **settings)
        self._awaits_connected = awaits_connected

    def wire(self) -> AlphaWire:
        """A fresh codec for one connection."""
        return AlphaWire(self.name, awaits_connected=self._awaits_connected)
