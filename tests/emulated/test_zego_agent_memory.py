"""`bot.py` with AVATAR=zego-agent and a brain of its own, which remembers what was heard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from emulators.zego import Emulator, serve
from services.answers import ANSWERS
from services.phrases import Intent
from tests.emulated import visitor as visitors
from tests.emulated.paying import GREETING, account, leaks
from tests.emulated.serving import free_port
from tests.emulated.standins.openai import OpenAI, Say
from tests.emulated.standins.serving import KEY
from tests.emulated.test_zego_agent_bot import CALLBACKS, enter, visit
from tests.emulated.visitor import Visitor, running_bot
from tests.emulated.zego_bot import PROGRAMS

pytestmark = pytest.mark.asyncio

BY = pytest.mark.parametrize("by", ["voice", "typing"])
TEXT_MS = 20
WISH, QUESTION = "Tell me a story", "What did you say?"
(STORY,) = ANSWERS[Intent.STORY]


@asynccontextmanager
async def met(
    folder: Path, patch: pytest.MonkeyPatch, *program: str, **settings: str
) -> AsyncIterator[tuple[Emulator, Visitor]]:
    """Somebody who was greeted by the agent, which asks the bot for its words and calls it back."""
    port = free_port()
    patch.setattr(visitors, "free_port", lambda: port)
    origin = f"http://localhost:{port}"
    knobs = {"text_ms": TEXT_MS, "connected_delay_ms": 20, "callback_url": f"{origin}{CALLBACKS}"}
    async with serve(**knobs) as emulator:
        settings = account("zego-agent", emulator) | settings
        settings |= {"ZEGO_AGENT_LLM_URL": "", "PUBLIC_URL": origin}
        settings |= {"ZEGO_CALLBACK_SECRET": emulator.callback_secret}
        async with running_bot(folder, *program, **settings) as bot:
            async with visit(bot) as visitor:
                await visitor.kind("session")
                await enter(visitor, emulator)
                assert await visitor.answer() == GREETING
                yield emulator, visitor
            await emulator.until(lambda: not emulator.running())
        assert leaks(folder, bot, visitor) == []


async def cut_in(emulator: Emulator, visitor: Visitor, by: str) -> str:
    """Ask for a story, and in mid-story what was said; returns what was played of the story."""
    (instance,) = emulator.instances()
    before = len(visitor.messages)
    heard_s = sum(each.seconds for each in emulator.heard())
    await visitor.type(WISH)
    await emulator.hears(heard_s + 1.5)
    if by == "voice":
        instance.hears(QUESTION, 0.3)
    else:
        await visitor.type(QUESTION)
    cut = await visitor.until(lambda m: m.get("cut") is True, before)
    letters = int(emulator.heard()[1].seconds * 1_000 / TEXT_MS)
    played = STORY[: STORY.rindex(" ", 0, letters)]
    assert 40 < len(played) < 120
    assert cut["text"] == played
    return played


@PROGRAMS
@BY
async def test_who_cuts_in_and_asks_what_was_said_is_told_what_was_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: tuple[str, ...], by: str
) -> None:
    async with met(tmp_path, monkeypatch, *program) as (emulator, visitor):
        before = len(visitor.messages)
        played = await cut_in(emulator, visitor, by)
        told = await visitor.until(lambda m: m.get("final") is True and _repeats(m), before)
        assert told["text"] == f"I said: {played.removesuffix('.')}."
        assert not told["cut"]
        assert await visitor.ask("Say that again") == told["text"]  # it has heard itself say so


@BY
async def test_context_of_who_cut_in_holds_what_was_played_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    model = OpenAI(Say(STORY), Say("I said a part of it."), Say("Fine."))
    async with model.running() as url:
        account = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url, "OPENAI_MODEL": "stand-in"}
        async with met(tmp_path, monkeypatch, **account) as (emulator, visitor):
            before = len(visitor.messages)
            played = await cut_in(emulator, visitor, by)
            await visitor.until(lambda m: m.get("final") is True and _repeats(m), before)
            assert await visitor.ask("All right") == "Fine."
    said = [
        ("assistant", GREETING),
        ("user", WISH),
        ("assistant", played),
        ("user", QUESTION),
        ("assistant", "I said a part of it."),
        ("user", "All right"),
    ]
    _, second, third = [_conversation(each) for each in model.received]
    assert second == said[:4]
    assert third == said


def _conversation(request: dict[str, Any]) -> list[tuple[str, str]]:
    told = [(each["role"], each["content"]) for each in request["messages"]]
    return [each for each in told if each[0] != "system"]


def _repeats(message: dict[str, Any]) -> bool:
    return message.get("role") == "assistant" and message["text"].startswith("I said")
