from datetime import UTC, datetime

import pytest
from pipecat.frames.frames import (
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMServiceMetadataFrame,
    LLMTextFrame,
    TextFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext, LLMSpecificMessage
from pipecat.tests.utils import run_test

from services.llm import RulesLLMService, messages_of, preload

pytestmark = pytest.mark.real_loop  # Pipecat's runner looks at the real clock


def service() -> RulesLLMService:
    return RulesLLMService(clock=lambda: datetime(2026, 11, 21, 15, 30, tzinfo=UTC))


def context(*texts: str) -> LLMContext:
    roles = ("user", "assistant")
    return LLMContext([{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)])


@pytest.mark.asyncio
async def test_answer_comes_word_by_word_between_start_and_end() -> None:
    down, _ = await run_test(
        service(), frames_to_send=[LLMContextFrame(context("what time is it"))]
    )
    down = [frame for frame in down if not isinstance(frame, LLMServiceMetadataFrame)]
    assert isinstance(down[0], LLMFullResponseStartFrame)
    assert isinstance(down[-1], LLMFullResponseEndFrame)
    words = down[1:-1]
    assert all(isinstance(word, LLMTextFrame) for word in words)
    assert "".join(word.text for word in words) == "It is 3:30 in the afternoon."
    assert len(words) == 6


@pytest.mark.asyncio
async def test_memory_is_the_context_and_nothing_else() -> None:
    told = context("my name is maria", "Nice to meet you, Maria.", "what is my name")
    untold = context("what is my name")
    llm = service()
    assert await llm.run_inference(told) == "Your name is Maria."
    assert "not told me" in str(await llm.run_inference(untold))


@pytest.mark.asyncio
async def test_other_frames_pass() -> None:
    down, _ = await run_test(service(), frames_to_send=[TextFrame("hello")])
    assert [frame.text for frame in down if isinstance(frame, TextFrame)] == ["hello"]


def test_messages_without_text_and_of_other_services_do_no_harm() -> None:
    mixed = LLMContext(
        [
            LLMSpecificMessage("other", {"role": "user"}),
            {"role": "user", "content": [{"type": "text", "text": "hello"}, {"type": "image_url"}]},
            {"role": "assistant", "content": None, "tool_calls": []},
            {"role": "developer", "content": "Be brief."},
        ]
    )
    assert [(m.role, m.text) for m in messages_of(mixed)] == [
        ("user", "hello"),
        ("assistant", ""),
        ("developer", "Be brief."),
    ]


def test_preload_may_be_called_twice() -> None:
    preload()
    preload()
