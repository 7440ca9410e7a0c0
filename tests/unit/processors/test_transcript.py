"""The bubbles: whole texts, in order, cut where the person stopped hearing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    TTSTextFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_response_universal import UserTurnMessageAddedMessage
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame
from pipecat.utils.text.base_text_aggregator import TextType
from pipecat.workers.runner import WorkerRunner

from processors.response_time import ResponseTimeProcessor
from processors.text_input import TypedTexts
from processors.transcript import TranscriptProcessor

pytestmark = pytest.mark.asyncio


class Page(FrameProcessor):
    def __init__(self) -> None:
        super().__init__()
        self.bubbles: list[dict[str, Any]] = []
        self.passed: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.passed.append(frame)
        if isinstance(frame, RTVIServerMessageFrame):
            self.bubbles.append(frame.data)
        await self.push_frame(frame, direction)


class Stage:
    def __init__(self) -> None:
        self.typed = TypedTexts()
        self.transcript = TranscriptProcessor(self.typed)
        self.waited = ResponseTimeProcessor()
        self.page = Page()
        self.worker = PipelineWorker(
            Pipeline([self.transcript, self.waited, self.page]),
            enable_rtvi=False,
            idle_timeout_secs=None,
        )

    async def push(self, *frames: Frame) -> None:
        for frame in frames:
            await self.worker.queue_frame(frame)
            await asyncio.sleep(0.01)

    async def person(self, text: str) -> None:
        message = UserTurnMessageAddedMessage(content=text, timestamp="")
        await self.transcript.add_user_turn(None, message)
        await asyncio.sleep(0.01)


def word(text: str) -> TTSTextFrame:
    return TTSTextFrame(text, text_type=TextType.WORD)


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


async def test_a_reply_grows_word_by_word_in_one_bubble() -> None:
    async with on_stage() as stage:
        await stage.push(word("Good"), word("day."), LLMFullResponseEndFrame())
        assert [b["text"] for b in stage.page.bubbles] == ["Good", "Good day.", "Good day."]
        assert [b["final"] for b in stage.page.bubbles] == [False, False, True]
        assert {b["turn"] for b in stage.page.bubbles} == {"turn-1"}
        assert {b["cut"] for b in stage.page.bubbles} == {False}


async def test_a_reply_that_was_cut_says_so_and_ends_with_the_last_word_heard() -> None:
    async with on_stage() as stage:
        await stage.push(word("Once"), word("upon"), InterruptionFrame())
        await stage.person("stop")
        last = stage.transcript.turns
        assert [(t.role, t.text, t.cut) for t in last] == [
            ("assistant", "Once upon", True),
            ("user", "stop", False),
        ]


async def test_a_reply_keeps_what_was_heard_of_it_where_the_interruption_says_so() -> None:
    async with on_stage() as stage:
        cut = InterruptionFrame()
        cut.metadata["avatarbot"] = {"played": "Once"}
        await stage.push(word("Once"), word("upon"), cut)
        assert [(t.text, t.cut) for t in stage.transcript.turns] == [("Once", True)]
        assert stage.page.bubbles[-1]["text"] == "Once"


async def test_a_reply_that_ended_a_moment_before_an_interruption_is_whole() -> None:
    async with on_stage() as stage:
        late = InterruptionFrame()
        late.metadata["avatarbot"] = {"played": "Once upon", "whole": True}
        await stage.push(word("Once"), late, LLMFullResponseEndFrame())
        assert [(t.text, t.cut) for t in stage.transcript.turns] == [("Once upon", False)]


async def test_an_interruption_when_nothing_was_said_makes_no_bubble() -> None:
    async with on_stage() as stage:
        await stage.push(InterruptionFrame(), LLMFullResponseEndFrame())
        assert stage.page.bubbles == []


async def test_typed_and_spoken_words_of_the_person_are_told_apart() -> None:
    async with on_stage() as stage:
        stage.typed.add("hello")
        await stage.person("hello")
        await stage.person("hello")
        assert [t.source for t in stage.transcript.turns] == ["typed", "spoken"]


async def test_words_that_are_not_for_the_context_make_no_bubble() -> None:
    async with on_stage() as stage:
        aside = word("psst")
        aside.append_to_context = False
        await stage.push(aside)
        assert stage.page.bubbles == []
        assert aside in stage.page.passed


async def test_the_example_processor_measures_how_long_an_answer_took() -> None:
    async with on_stage() as stage:
        await stage.push(UserStoppedSpeakingFrame())
        await asyncio.sleep(0.5)
        await stage.push(BotStartedSpeakingFrame(), BotStartedSpeakingFrame())
        assert stage.waited.seconds == pytest.approx([0.51], abs=0.02)
        assert sum(isinstance(f, BotStartedSpeakingFrame) for f in stage.page.passed) == 2
