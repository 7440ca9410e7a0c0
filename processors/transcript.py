"""Both sides of the conversation as events for the page: what was said, and what was heard."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count

from pipecat.frames.frames import (
    Frame,
    InterruptionFrame,
    LLMAssistantPushAggregationFrame,
    LLMFullResponseEndFrame,
    TTSTextFrame,
)
from pipecat.processors.aggregators.llm_response_universal import UserTurnMessageAddedMessage
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame
from pipecat.utils.string import TextPartForConcatenation, concatenate_aggregated_text

from .text_input import METADATA_KEY, TypedTexts

__all__ = ["TranscriptProcessor", "Turn"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One bubble.

    Attributes:
        turn: Its name.
        role: `user` or `assistant`.
        text: All of it so far.
        final: Whether it is complete.
        source: `spoken` or `typed`.
        cut: Whether the rest of it was never heard.
    """

    turn: str
    role: str
    text: str
    final: bool = True
    source: str = "spoken"
    cut: bool = False


@dataclass(slots=True)
class _Reply:
    turn: str
    parts: list[TextPartForConcatenation] = field(default_factory=list)


class TranscriptProcessor(FrameProcessor):
    """Tells the page what both sides said, and keeps the finished turns in `turns`.

    Goes behind the user leg's output and in front of the assistant's context aggregator, where the
    words arrive as they are heard. What the person says is taken from the user aggregator's event
    `on_user_turn_message_added`: connect it to `add_user_turn`.

    Args:
        typed: The same as the `TextInputProcessor`'s.

    Attributes:
        turns: The finished ones, oldest first.
    """

    def __init__(self, typed: TypedTexts) -> None:
        super().__init__()
        self._typed = typed
        self._names = (f"turn-{n}" for n in count(1))
        self._reply: _Reply | None = None
        self.turns: list[Turn] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Read along; every frame passes."""
        await super().process_frame(frame, direction)
        match frame:
            case TTSTextFrame() if frame.append_to_context:
                await self._heard(frame)
            case LLMFullResponseEndFrame() | LLMAssistantPushAggregationFrame():
                await self._finish(cut=False)
            case InterruptionFrame():
                ours = frame.metadata.get(METADATA_KEY, {})
                await self._finish(cut=not ours.get("whole"), heard=ours.get("played"))
        await self.push_frame(frame, direction)

    async def add_user_turn(self, aggregator: object, message: UserTurnMessageAddedMessage) -> None:
        """The person's words were written to the context."""
        source = "typed" if self._typed.claim(message.content) else "spoken"
        await self._tell(Turn(next(self._names), "user", message.content, source=source))

    async def _heard(self, frame: TTSTextFrame) -> None:
        if self._reply is None:
            self._reply = _Reply(next(self._names))
        self._reply.parts.append(
            TextPartForConcatenation(
                frame.raw_text or frame.text,
                includes_inter_part_spaces=frame.includes_inter_frame_spaces,
            )
        )
        await self._tell(self._so_far(self._reply))

    async def _finish(self, *, cut: bool, heard: str | None = None) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            turn = replace(self._so_far(reply), final=True, cut=cut)
            await self._tell(turn if heard is None else replace(turn, text=heard))

    @staticmethod
    def _so_far(reply: _Reply) -> Turn:
        text = concatenate_aggregated_text(reply.parts)
        return Turn(reply.turn, "assistant", text, final=False)

    async def _tell(self, turn: Turn) -> None:
        if turn.final:
            self.turns.append(turn)
        data = {"type": "transcript"} | {name: getattr(turn, name) for name in Turn.__slots__}
        await self.push_frame(RTVIServerMessageFrame(data=data))
