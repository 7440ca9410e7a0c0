"""What fails is told in a sentence: when, to whom, and whether it is the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputTransportStartAudioStreamingFrame,
    OutputTransportMessageUrgentFrame,
    StartFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.errors import ErrorCategory
from pipecat.workers.runner import WorkerRunner

from processors.trouble import Part, TroubleProcessor, sentence
from services.llm import RulesLLMService
from services.tts import LocalTTSService

PART = Part("Example, the voice,", "EXAMPLE_API_KEY", "EXAMPLE_VOICE_ID")


class Scene:
    """The processor in front of a brain and a voice, and what comes out at the end."""

    def __init__(self) -> None:
        self.brain, self.voice = RulesLLMService(), LocalTTSService()
        self.face = IdentityFilter()
        face = Part("A face", "KEY", "CHOICES", explain=lambda _: None)
        self.trouble = TroubleProcessor(
            {self.brain: Part("The brain"), self.voice: PART, self.face: face}
        )
        self.end = _End()
        parts = [self.trouble, self.end, self.brain, self.voice, self.face]
        self.worker = PipelineWorker(Pipeline(parts), idle_timeout_secs=None, enable_rtvi=False)

    async def page_arrives(self) -> None:
        await self.worker.queue_frame(InputTransportStartAudioStreamingFrame())
        await self.end.until(InputTransportStartAudioStreamingFrame)

    async def fail(
        self, service: FrameProcessor, category: ErrorCategory, *, lasting: bool = False
    ) -> None:
        error = ErrorFrame("Error code: 418, in a library's words", category=category)
        await service.push_error_frame(error, force_treat_as_permanent=lasting)
        await asyncio.sleep(0.1)

    def told(self) -> list[str]:
        notices = [
            f.message["data"]
            for f in self.end.frames
            if isinstance(f, OutputTransportMessageUrgentFrame)
        ]
        assert all(notice["type"] == "notice" for notice in notices)
        return [str(notice["text"]) for notice in notices]


class _End(FrameProcessor):
    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self._more = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is FrameDirection.DOWNSTREAM:
            self.frames.append(frame)
            self._more.set()
        await self.push_frame(frame, direction)

    async def until(self, kind: type[Frame]) -> None:
        async with asyncio.timeout(10):
            while not any(isinstance(frame, kind) for frame in self.frames):
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def running() -> AsyncIterator[Scene]:
    scene = Scene()
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(scene.worker)
    task = asyncio.create_task(runner.run())
    await scene.end.until(StartFrame)
    try:
        yield scene
    finally:
        await scene.worker.cancel()
        await task


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("category", ErrorCategory)
def test_every_kind_of_error_has_a_whole_sentence(category: ErrorCategory, lasting: bool) -> None:
    text = sentence(PART, category, lasting=lasting)
    assert text.startswith("Example, the voice, ")
    assert text.endswith(".")
    assert lasting == text.endswith("The conversation ends here.")
    assert "{" not in text


def test_part_that_knows_its_errors_says_them_itself_and_what_goes_on_in_its_place() -> None:
    part = Part(
        "A face", "KEY", explain=lambda error: f"It is {error}.", instead="Another goes on."
    )
    error = ValueError("ill")
    wrong_key = ErrorCategory.AUTHENTICATION
    passing = sentence(part, wrong_key, lasting=False, error=error)
    assert passing == "It is ill. Another goes on."
    lasting = sentence(part, wrong_key, lasting=True, error=error)
    assert lasting == "It is ill. The conversation ends here."
    part = Part("A face", "KEY", explain=lambda _: None, instead="Another goes on.")
    unexplained = sentence(part, wrong_key, lasting=True, error=error)
    assert unexplained == "A face does not accept the key. Check KEY. The conversation ends here."


@pytest.mark.asyncio
async def test_error_from_before_the_page_is_told_when_it_is_there() -> None:
    async with running() as scene:
        await scene.fail(scene.voice, ErrorCategory.RATE_LIMIT)
        assert scene.told() == []
        await scene.page_arrives()
        await asyncio.sleep(0.1)
        assert scene.told() == [sentence(PART, ErrorCategory.RATE_LIMIT, lasting=False)]


@pytest.mark.asyncio
async def test_what_cannot_work_any_more_ends_the_conversation_once() -> None:
    async with running() as scene:
        await scene.page_arrives()
        await scene.fail(scene.voice, ErrorCategory.AUTHENTICATION)
        await scene.end.until(EndFrame)
        await scene.fail(scene.brain, ErrorCategory.AUTHENTICATION)
        (told,) = scene.told()
        assert "EXAMPLE_API_KEY" in told
        assert "library" not in told


@pytest.mark.asyncio
async def test_part_that_has_no_sentence_for_an_error_leaves_it_to_the_log() -> None:
    async with running() as scene:
        await scene.page_arrives()
        await scene.fail(scene.face, ErrorCategory.UNKNOWN)
        assert scene.told() == []
        await scene.fail(scene.face, ErrorCategory.UNKNOWN, lasting=True)
        assert scene.told() == ["A face does not work. Check CHOICES. The conversation ends here."]


@pytest.mark.asyncio
async def test_brain_that_fails_is_spoken_of_and_not_remembered() -> None:
    async with running() as scene:
        await scene.page_arrives()
        await scene.fail(scene.brain, ErrorCategory.SERVER)
        (spoken,) = [f for f in scene.end.frames if isinstance(f, TTSSpeakFrame)]
        assert spoken.text == scene.told()[0]
        assert spoken.append_to_context is False


@pytest.mark.asyncio
async def test_reason_is_not_followed_by_a_shrug() -> None:
    async with running() as scene:
        await scene.page_arrives()
        await scene.fail(scene.voice, ErrorCategory.RATE_LIMIT)
        await scene.fail(scene.voice, ErrorCategory.UNKNOWN)
        assert len(scene.told()) == 1
        await asyncio.sleep(10)
        await scene.fail(scene.voice, ErrorCategory.UNKNOWN)
        assert len(scene.told()) == 2


@pytest.mark.asyncio
async def test_tool_that_fails_is_left_to_the_language_model() -> None:
    async with running() as scene:
        await scene.page_arrives()
        await scene.fail(scene.brain, ErrorCategory.APPLICATION)
        assert scene.told() == []
