"""Typed text becomes a turn of the person's, like spoken words.

Pipecat's RTVI processor answers `send-text` by interrupting the bot once and then appending the
text to the context, past the turn machinery. Here the text becomes a finalized transcription
instead, and two turn strategies make one turn of it: it starts without a second interruption, and
ends at once.
"""

from __future__ import annotations

from collections import deque

from pipecat.frames.frames import Frame, LLMMessagesAppendFrame, TranscriptionFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.turns.types import ProcessFrameResult
from pipecat.turns.user_start import BaseUserTurnStartStrategy
from pipecat.turns.user_stop import BaseUserTurnStopStrategy
from pipecat.utils.time import time_now_iso8601

__all__ = [
    "TextInputProcessor",
    "TypedTexts",
    "TypedTurnStartStrategy",
    "TypedTurnStopStrategy",
]

METADATA_KEY = "avatarbot"


class TypedTexts:
    """The texts that were typed and are not in the context yet; shared with the transcript."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque(maxlen=16)

    def add(self, text: str) -> None:
        """`text` was typed."""
        self._texts.append(text)

    def claim(self, text: str) -> bool:
        """Whether `text` was typed; true once for each time that it was."""
        if text not in self._texts:
            return False
        self._texts.remove(text)
        return True


class TextInputProcessor(FrameProcessor):
    """Turns the message that `send-text` produces into a transcription that is marked typed.

    That message is an `LLMMessagesAppendFrame` with `run_llm` and one user message of plain text.
    Goes behind the STT and in front of the user's context aggregator.

    Args:
        typed: Where the texts are noted, for a `TranscriptProcessor` that tells them from speech.
    """

    def __init__(self, typed: TypedTexts) -> None:
        super().__init__()
        self._typed = typed

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Replace typed text, let everything else pass."""
        await super().process_frame(frame, direction)
        text = _typed_text(frame) if direction is FrameDirection.DOWNSTREAM else None
        if text is None:
            await self.push_frame(frame, direction)
            return
        self._typed.add(text)
        turn = TranscriptionFrame(text, user_id="", timestamp=time_now_iso8601(), finalized=True)
        turn.metadata[METADATA_KEY] = {"typed": True}
        await self.push_frame(turn)


class TypedTurnStartStrategy(BaseUserTurnStartStrategy):
    """A typed text starts a turn. The interruption was broadcast when the text arrived."""

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Start the turn, and keep the text from strategies that listen for speech."""
        if not _is_typed(frame):
            return ProcessFrameResult.CONTINUE
        await self.trigger_user_turn_started(
            enable_interruptions=False, enable_user_speaking_frames=False
        )
        return ProcessFrameResult.STOP


class TypedTurnStopStrategy(BaseUserTurnStopStrategy):
    """A typed text is a whole turn: it ends as soon as it is there."""

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """End the turn, and keep the text from strategies that wait for a pause."""
        if not _is_typed(frame):
            return ProcessFrameResult.CONTINUE
        await self.trigger_user_turn_stopped(enable_user_speaking_frames=False)
        return ProcessFrameResult.STOP


def _typed_text(frame: Frame) -> str | None:
    match frame:
        case LLMMessagesAppendFrame(
            messages=[{"role": "user", "content": str(text)}], run_llm=True
        ):
            return text
    return None


def _is_typed(frame: Frame) -> bool:
    return isinstance(frame, TranscriptionFrame) and bool(
        frame.metadata.get(METADATA_KEY, {}).get("typed")
    )
