"""Who cuts in on an agent of ZEGO's: it is cut once, and what was to come does not come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    InterruptionFrame,
    LLMFullResponseStartFrame,
    TTSSpeakFrame,
    UserStartedSpeakingFrame,
)

from tests.emulated.agent_stage import BLOCKS, running, vendor
from transports.zego import Blocks

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def thoughtful() -> AsyncIterator[Blocks]:
    """With a language model that never comes to an end."""

    over = asyncio.Event()

    async def think(_: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", think)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        yield Blocks(llm={**(BLOCKS.llm or {}), "Url": url}, tts=BLOCKS.tts)
    finally:
        over.set()
        await runner.cleanup()


async def test_cut_in_on_a_thought_cuts_it_once_however_often(tmp_path: Path) -> None:
    async with (
        thoughtful() as blocks,
        vendor(llm="asked") as (side, bots),
        running(side, bots, tmp_path, blocks=blocks) as bot,
    ):
        await bot.watch()
        bot.speak("hello")
        await bot.until(lambda: bot.count(LLMFullResponseStartFrame))
        for _ in range(3):
            await bot.worker.queue_frame(InterruptionFrame())
        await bot.until(lambda: bot.count(InterruptionFrame) == 3)
        await side.until(side.interruptions)
        side.turn(llm="parrot")
        bot.speak("go on")
        await bot.until(lambda: ("assistant", "You said: go on.", False) in bot.bubbles())
        assert len(bot.calls("InterruptAgentInstance")) == 1
        assert [text for role, text, _ in bot.bubbles() if role == "assistant"] == [
            "You said: go on."
        ]


async def test_cut_in_on_an_answer_cuts_it_once_however_often(tmp_path: Path) -> None:
    async with vendor(text_ms=60) as (side, bots), running(side, bots, tmp_path) as bot:
        await bot.watch()
        bot.speak("one two three four five six seven eight nine ten")
        await bot.until(lambda: bot.count(BotStartedSpeakingFrame))
        for _ in range(3):
            await bot.worker.queue_frame(InterruptionFrame())
        await bot.until(lambda: bot.count(InterruptionFrame) == 3)
        await bot.type("go on")
        await bot.until(lambda: ("assistant", "You said: go on.", False) in bot.bubbles())
        assert len(bot.calls("InterruptAgentInstance")) == 1
        assert len([each for each in bot.bubbles() if each[2]]) == 1


async def test_speech_that_waits_is_not_said_after_a_cut_in(tmp_path: Path) -> None:
    sentences = [
        f"This is sentence number {number}, " + "and on " * 30 + "." for number in range(9)
    ]
    async with vendor(text_ms=20) as (side, bots), running(side, bots, tmp_path) as bot:
        await bot.watch()
        await bot.worker.queue_frame(TTSSpeakFrame(" ".join(sentences)))
        await bot.until(lambda: bot.count(BotStartedSpeakingFrame))
        await side.until(lambda: len(bot.calls("SendAgentInstanceTTS")) == 5)  # as many may wait
        await bot.type("stop")
        await bot.until(lambda: ("assistant", "You said: stop.", False) in bot.bubbles())
        assert len(bot.calls("SendAgentInstanceTTS")) == 5
        names = [each.name for each in side.record.calls]
        assert names.index("InterruptAgentInstance") < names.index("SendAgentInstanceLLM")
        said = [text for role, text, _ in bot.bubbles() if role == "assistant"]
        assert len(said) == 2
        assert sentences[0].startswith(said[0])


async def test_question_that_a_voice_holds_up_is_not_asked_again_after_a_cut_in(
    tmp_path: Path,
) -> None:
    async with (
        vendor(rest_latency_ms=200) as (side, bots),
        running(side, bots, tmp_path) as bot,
    ):
        await bot.watch()
        bot.speak("well", 1.0)
        await bot.until(lambda: bot.count(UserStartedSpeakingFrame))
        await bot.type("one")
        await side.until(lambda: bot.calls("SendAgentInstanceLLM"))  # it is refused
        await bot.type("two")
        await bot.until(lambda: ("assistant", "You said: two.", False) in bot.bubbles())
        asked = [each.body["Text"] for each in bot.calls("SendAgentInstanceLLM")]
        assert asked[:2] == ["one", "two"]
        assert "one" not in asked[1:]
        names = [each.name for each in side.record.calls]
        at = names.index("SendAgentInstanceLLM")
        assert names[at + 1 : at + 3] == ["InterruptAgentInstance", "AddAgentInstanceMsg"]
