"""The embedded brain as a Pipecat LLM service. It says honestly what it is: a set of rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings

from .rules import Message, answer
from .rules_adapter import RulesAdapter, text_messages

__all__ = ["RulesLLMService", "preload"]


def preload() -> None:
    """Nothing to load: the rules are the code. Here so that the three parts are alike."""


def local_time() -> datetime:
    """The time where the bot runs, with its zone."""
    return datetime.now().astimezone()


class RulesLLMService(LLMService):
    """Answers from a small set of rules; needs no key and no network.

    On an ``LLMContextFrame`` it pushes ``LLMFullResponseStartFrame``, one ``LLMTextFrame`` per word
    and ``LLMFullResponseEndFrame``. It keeps no memory of its own: what it knows of the
    conversation stands in the context. Functions in the context are not called.
    """

    adapter_class = RulesAdapter

    def __init__(self, *, clock: Callable[[], datetime] = local_time, **kwargs: Any) -> None:
        """Build the service.

        Args:
            clock: What the time is, for those who ask for it.
            **kwargs: For Pipecat's :class:`LLMService`.
        """
        settings = LLMSettings(
            model="rules",
            system_instruction=None,
            temperature=None,
            max_tokens=None,
            top_p=None,
            top_k=None,
            frequency_penalty=None,
            presence_penalty=None,
            seed=None,
            filter_incomplete_user_turns=False,
            user_turn_completion_config=None,
        )
        super().__init__(settings=settings, **kwargs)
        self._clock = clock

    def can_generate_metrics(self) -> bool:
        return True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer a context; pass everything else on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await self._answer(frame.context)
        else:
            await self.push_frame(frame, direction)

    async def run_inference(
        self,
        context: LLMContext,
        max_tokens: int | None = None,
        system_instruction: str | None = None,
        response_schema: dict[str, Any] | None = None,
    ) -> str | None:
        """Answer a context outside the pipeline; limits, instructions and schemas do nothing."""
        return self._reply(context)

    def _reply(self, context: LLMContext) -> str:
        return answer(messages_of(context), self._clock())

    async def _answer(self, context: LLMContext) -> None:
        await self.push_frame(LLMFullResponseStartFrame())
        await self.start_processing_metrics()
        await self.start_ttfb_metrics()
        for word in re.findall(r"\S+\s*", self._reply(context)):
            await self.stop_ttfb_metrics()
            await self.push_frame(LLMTextFrame(word))
        await self.stop_processing_metrics()
        await self.push_frame(LLMFullResponseEndFrame())


def messages_of(context: LLMContext) -> list[Message]:
    """The text messages of a context, oldest first."""
    return [Message(each["role"], each["content"]) for each in text_messages(context)]
