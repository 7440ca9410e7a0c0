"""Ears with a key: the real bot, a stand-in for Deepgram, somebody who speaks into a microphone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.emulated.standins.deepgram import Deepgram
from tests.emulated.standins.openai import OpenAI, Say
from tests.emulated.standins.serving import KEY, Refuse
from tests.emulated.visitor import Visitor, secretive

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def talking(
    folder: Path, ears: Deepgram, model: OpenAI, **settings: str
) -> AsyncIterator[Visitor]:
    async with ears.running() as url, model.running() as model_url:
        given = {
            "GREETING": "Hi.",
            "DEEPGRAM_API_KEY": KEY,
            "DEEPGRAM_API_URL": url,
            "OPENAI_BASE_URL": model_url,
        }
        async with secretive(folder, **(given | settings)) as visitor:
            yield visitor


async def test_what_deepgram_hears_is_answered(tmp_path: Path) -> None:
    ears = Deepgram("What is the capital of France?")
    model = OpenAI(Say("Paris."), key=None)
    async with talking(tmp_path, ears, model, LANGUAGE="en-GB") as visitor:
        assert (await visitor.kind("session"))["stt"] == "deepgram"
        await visitor.answer()
        before = len(visitor.messages)
        await visitor.talk("What is the capital of France?")
        assert await visitor.answer(before) == "Paris."
        mine = [m["text"] for m in visitor.messages if m.get("role") == "user"]
        assert mine == ["What is the capital of France?"]
        assert visitor.notices() == []
    assert ears.query["model"] == "nova-3-general"
    assert ears.query["language"] == "en-GB"
    assert ears.query["sample_rate"] == "16000"
    assert ears.heard_bytes > 16_000


async def test_refused_key_is_named_and_ends_the_session(tmp_path: Path) -> None:
    wrong = "SECRET-another-key-9876543210"
    async with talking(tmp_path, Deepgram(), OpenAI(), DEEPGRAM_API_KEY=wrong) as visitor:
        await visitor.until_over()
        assert visitor.notices() == [
            "Deepgram, the speech recognition, does not accept the key. Check DEEPGRAM_API_KEY."
            " The conversation ends here."
        ]


async def test_too_many_sessions_are_told_and_end_this_one(tmp_path: Path) -> None:
    ears = Deepgram(refusals=(Refuse(429, {"Retry-After": "20"}),))
    async with talking(tmp_path, ears, OpenAI()) as visitor:
        await visitor.until_over()
        assert visitor.notices() == [
            "Deepgram, the speech recognition, takes no more sessions now. Start again in a minute."
            " The conversation ends here."
        ]


@pytest.mark.parametrize("fault", ["dropped", "garbage"])
async def test_lost_connection_is_told_and_hearing_comes_back(tmp_path: Path, fault: str) -> None:
    ears, model = Deepgram("Can you hear me?"), OpenAI(Say("I can."), key=None)
    async with talking(tmp_path, ears, model) as visitor:
        await visitor.answer()
        before = len(visitor.messages)
        if fault == "dropped":
            ears.drop()
        else:
            await ears.say("{this is no JSON")
        told = await visitor.kind("notice", before)
        assert told["text"].startswith("Deepgram, the speech recognition, ")
        await ears.until(lambda: ears.connections == 2)
        await visitor.talk("Can you hear me?")
        assert await visitor.answer(before) == "I can."


async def test_typing_works_while_nothing_is_heard(tmp_path: Path) -> None:
    ears, model = Deepgram(), OpenAI(Say("I read you."), key=None)
    async with talking(tmp_path, ears, model) as visitor:
        await visitor.answer()
        ears.drop()
        assert await visitor.ask("Do you read me?") == "I read you."


async def test_slow_handshake_is_waited_for(tmp_path: Path) -> None:
    ears, model = Deepgram("Hello.", slow_s=3.0), OpenAI(Say("Hello to you."), key=None)
    async with talking(tmp_path, ears, model) as visitor:
        began = asyncio.get_running_loop().time()
        await visitor.answer()
        assert asyncio.get_running_loop().time() - began > 2
        before = len(visitor.messages)
        await visitor.talk("Hello there, my friend.")
        assert await visitor.answer(before) == "Hello to you."
        assert visitor.notices() == []
