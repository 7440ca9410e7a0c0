"""Lets only those of a client's messages into a pipeline that a page has use for."""

from __future__ import annotations

from typing import Any

from pipecat.frames.frames import Frame, InputTransportMessageFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from .messages import Refusals, Refused, checked


class MessageFilter(FrameProcessor):
    """Stands in front of `user.input()`: what goes upstream from there reaches Pipecat's RTVI.

    WebRTC, Daily and LiveKit hand over whatever JSON a participant sends. The same rules hold for
    it as on the WebSocket: see `docs/frames.md`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refused = Refusals()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Rebuild messages that are allowed, drop the others, let everything else pass."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputTransportMessageFrame) and direction is FrameDirection.UPSTREAM:
            message = self._checked(frame.message)
            if message is None:
                return
            frame.message = message
        await self.push_frame(frame, direction)

    def _checked(self, message: Any) -> dict[str, Any] | None:
        try:
            return checked(message)
        except Refused as refusal:
            self.refused.note(refusal.kind)
            return None
