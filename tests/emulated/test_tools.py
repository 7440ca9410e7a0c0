"""A tool that takes its time, while the person goes on talking: its result is never lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.emulated.standins.elevenlabs import ElevenLabs
from tests.emulated.standins.openai import Call, OpenAI, Say
from tests.emulated.standins.serving import KEY
from tests.emulated.visitor import Visitor, secretive

pytestmark = pytest.mark.asyncio

LOOK_UP = {"what": "the train to Graz"}
FOUND = "It leaves at ten past nine."


class Library:
    """Where the tool looks things up. It answers when the test says so."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def asked(self) -> None:
        async with asyncio.timeout(10):
            await self._asked.wait()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _serve(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._asked.set()
        await self.answers.wait()
        writer.write(FOUND.encode())
        writer.close()


@asynccontextmanager
async def talking(
    folder: Path, model: OpenAI, tts: str = "local"
) -> AsyncIterator[tuple[Visitor, Library]]:
    library, voice = Library(), ElevenLabs()
    async with library.open() as port, model.running() as url, voice.running() as voice_url:
        settings = {
            "GREETING": "Hi.",
            "TTS": tts,
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": url,
            "ELEVENLABS_API_KEY": KEY,
            "ELEVENLABS_API_URL": voice_url,
        }
        script = "tests/emulated/slow_tool_bot.py"
        extra = {"LIBRARY_PORT": str(port)}
        async with secretive(folder, script=script, extra=extra, **settings) as visitor:
            await visitor.answer()
            yield visitor, library
            assert visitor.notices() == []


def knows(request: dict[str, object]) -> bool:
    """Whether the result stands in what the model was sent."""
    return any(FOUND in str(each.get("content")) for each in request["messages"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("tts", ["local", "elevenlabs"])
async def test_cut_in_during_a_call_leaves_the_result_for_the_next_answer(
    tmp_path: Path, tts: str
) -> None:
    model = OpenAI(
        Call("look_up", LOOK_UP, saying="One moment please, I am looking that up for you now."),
        Say("You are welcome."),
        Say("The train leaves at ten past nine."),
    )
    async with talking(tmp_path, model, tts) as (visitor, library):
        before = len(visitor.messages)
        await visitor.type("When does the train leave?")
        await visitor.until_heard(1.0, before)
        await library.asked()
        before = len(visitor.messages)
        await visitor.type("Thank you for looking.")
        cut = await visitor.until(lambda m: m["type"] == "transcript" and m["cut"], before)
        assert cut["text"] != "One moment please, I am looking that up for you now."
        assert await visitor.answer(visitor.messages.index(cut) + 1) == "You are welcome."
        await visitor.kind("bot-stopped-speaking", before)
        before = len(visitor.messages)
        library.answers.set()
        assert await visitor.answer(before) == "The train leaves at ten past nine."
    assert [knows(request) for request in model.received] == [False, False, True]


async def test_result_that_came_while_the_avatar_spoke_is_told_once_after_a_cut_in(
    tmp_path: Path,
) -> None:
    saying = "One moment please, I am looking that up for you now, and it takes a little while."
    model = OpenAI(Call("look_up", LOOK_UP, saying=saying), Say("At ten past nine, by the way."))
    async with talking(tmp_path, model) as (visitor, library):
        before = len(visitor.messages)
        await visitor.type("When does the train leave?")
        await visitor.until_heard(0.6, before)
        await library.asked()
        library.answers.set()
        await visitor.until_heard(2.0, before)
        before = len(visitor.messages)
        await visitor.type("Are you still there?")
        cut = await visitor.until(lambda m: m["type"] == "transcript" and m["cut"], before)
        told = await visitor.answer(visitor.messages.index(cut) + 1)
        assert told == "At ten past nine, by the way."
        await visitor.kind("bot-stopped-speaking", visitor.messages.index(cut) + 1)
    assert [knows(request) for request in model.received] == [False, True]


async def test_page_thinks_until_a_call_without_words_is_answered(tmp_path: Path) -> None:
    model = OpenAI(Call("look_up", LOOK_UP), Say(FOUND))
    async with talking(tmp_path, model) as (visitor, library):
        before = len(visitor.messages)
        await visitor.type("When does the train leave?")
        await library.asked()
        library.answers.set()
        assert await visitor.answer(before) == FOUND
        kinds = [each["type"] for each in visitor.messages[before:]]
        waited = kinds[kinds.index("bot-llm-started") : kinds.index("bot-started-speaking")]
        others = {"user-started-speaking", "bot-stopped-speaking", "avatar-cut"}
        assert not others & {*waited}, "the page would not say `thinking` any more"
    assert [knows(request) for request in model.received] == [False, True]
