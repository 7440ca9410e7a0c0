"""Typed text in front of the real context aggregator: one turn, one answer, one interruption."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pipecat.frames.frames import (
    Frame,
    InterruptionFrame,
    LLMContextFrame,
    LLMMessagesAppendFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi.models import Message
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import (
    UserTurnStrategies,
    default_user_turn_start_strategies,
)
from pipecat.workers.runner import WorkerRunner

from processors.text_input import (
    TextInputProcessor,
    TypedTexts,
    TypedTurnStartStrategy,
    TypedTurnStopStrategy,
)

pytestmark = pytest.mark.asyncio


class Behind(FrameProcessor):
    """Stands where the LLM stands, and writes down what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Frame] = []
        self.asked: list[list[str]] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.seen.append(frame)
        if isinstance(frame, LLMContextFrame):
            self.asked.append([m["content"] for m in frame.context.get_messages()])
        await self.push_frame(frame, direction)

    def count(self, kind: type[Frame]) -> int:
        return sum(isinstance(frame, kind) for frame in self.seen)


class Stage:
    def __init__(self) -> None:
        self.typed = TypedTexts()
        self.behind = Behind()
        strategies = UserTurnStrategies(
            start=[TypedTurnStartStrategy(), *default_user_turn_start_strategies()],
            stop=[TypedTurnStopStrategy(), SpeechTimeoutUserTurnStopStrategy()],
        )
        pair = LLMContextAggregatorPair(
            LLMContext(), user_params=LLMUserAggregatorParams(user_turn_strategies=strategies)
        )
        self.worker = PipelineWorker(
            Pipeline([TextInputProcessor(self.typed), pair.user(), self.behind]),
            idle_timeout_secs=None,
        )

    async def push(self, *frames: Frame) -> None:
        for frame in frames:
            await self.worker.queue_frame(frame)
        await asyncio.sleep(0.01)

    async def type(self, text: str) -> None:
        """What the page's `send-text` does, through Pipecat's own RTVI processor."""
        message = {"label": "rtvi-ai", "type": "send-text", "id": "1", "data": {"content": text}}
        await self.worker.rtvi.handle_message(Message.model_validate(message))
        await asyncio.sleep(0.2)


@asynccontextmanager
async def on_stage() -> AsyncIterator[Stage]:
    stage = Stage()
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(stage.worker)
    running = asyncio.create_task(runner.run())
    await asyncio.sleep(0.1)
    try:
        yield stage
    finally:
        await stage.worker.cancel()
        await running


def spoken(text: str) -> list[Frame]:
    return [
        VADUserStartedSpeakingFrame(start_secs=0.2),
        VADUserStoppedSpeakingFrame(stop_secs=0.2),
        TranscriptionFrame(text, "", "", finalized=True),
    ]


async def test_a_typed_text_is_one_turn_with_one_answer_and_one_interruption() -> None:
    async with on_stage() as stage:
        await stage.type("What time is it?")
        await asyncio.sleep(10)
        assert stage.behind.asked == [["What time is it?"]]
        assert stage.behind.count(InterruptionFrame) == 1
        assert stage.behind.count(UserStartedSpeakingFrame) == 0


async def test_texts_and_speech_keep_their_order_and_get_an_answer_each() -> None:
    async with on_stage() as stage:
        await stage.type("one")
        await stage.push(*spoken("two"))
        await asyncio.sleep(2)
        await stage.type("three")
        assert [asked[-1] for asked in stage.behind.asked] == ["one", "two", "three"]
        assert stage.behind.asked[-1] == ["one", "two", "three"]


async def test_a_text_sent_while_somebody_speaks_is_answered_at_once() -> None:
    async with on_stage() as stage:
        await stage.push(VADUserStartedSpeakingFrame(start_secs=0.2))
        await stage.type("typed")
        assert [asked[-1] for asked in stage.behind.asked] == ["typed"]
        await stage.push(*spoken("spoken")[1:])
        await asyncio.sleep(2)
        assert [asked[-1] for asked in stage.behind.asked] == ["typed", "spoken"]


async def test_a_typed_text_can_be_claimed_once() -> None:
    async with on_stage() as stage:
        await stage.type("hello")
        assert stage.typed.claim("hello")
        assert not stage.typed.claim("hello")


@pytest.mark.parametrize(
    "frame",
    [
        LLMMessagesAppendFrame(messages=[{"role": "user", "content": "x"}], run_llm=False),
        LLMMessagesAppendFrame(messages=[{"role": "developer", "content": "x"}], run_llm=True),
        LLMMessagesAppendFrame(messages=[{"role": "user", "content": [{"type": "image_url"}]}]),
    ],
)
async def test_messages_that_nobody_typed_take_their_own_way(frame: Frame) -> None:
    async with on_stage() as stage:
        await stage.push(frame)
        assert not stage.typed.claim("x")
        assert stage.behind.count(InterruptionFrame) == 0
