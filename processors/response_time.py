"""An example of a processor of your own: how long the person waited for each answer.

To add one like it: a file in this folder with one class, and one line in `bot.py`'s list of
processors. It must call `super().process_frame` first and push every frame on, once, in its own
direction.
"""

from __future__ import annotations

import asyncio

from loguru import logger
from pipecat.frames.frames import BotStartedSpeakingFrame, Frame, UserStoppedSpeakingFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

__all__ = ["ResponseTimeProcessor"]


class ResponseTimeProcessor(FrameProcessor):
    """Measures from the end of the person's turn to the first word that they hear.

    Attributes:
        seconds: One figure for each spoken turn that was answered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._asked_at: float | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Look at two kinds of frames, and pass on all of them."""
        await super().process_frame(frame, direction)
        now = asyncio.get_running_loop().time()
        if isinstance(frame, UserStoppedSpeakingFrame):
            self._asked_at = now
        elif isinstance(frame, BotStartedSpeakingFrame) and self._asked_at is not None:
            self.seconds.append(now - self._asked_at)
            self._asked_at = None
            logger.info(f"answered after {self.seconds[-1]:.2f} s")
        await self.push_frame(frame, direction)
