"""`bot.py` with AVATAR=zego-agent: a whole visit, one after another, and a bot that is killed."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import pytest
from loguru import logger

from emulators.zego import Emulator, serve
from tests.emulated import visitor as visitors
from tests.emulated.paying import GREETING, account, leaks
from tests.emulated.serving import free_port
from tests.emulated.visitor import Bot, Visitor, running_bot, visiting
from tests.emulated.zego_bot import PROGRAMS

pytestmark = pytest.mark.asyncio

KNOBS: dict[str, Any] = {"llm": "parrot", "text_ms": 10, "connected_delay_ms": 20}
CALLBACKS = "/callbacks/zego"
MOMENTS = ("opening", "running", "speaking", "closing")


async def enter(visitor: Visitor, emulator: Emulator, *, relays: bool = True) -> dict[str, Any]:
    """Asks for the room, goes there, and hands on what is said in it."""
    before = len(visitor.messages)
    await visitor.send("client-message", {"t": "avatar-watch", "d": {}})
    room = await visitor.kind("avatar-room", before)
    relayed: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def relay(message: Any) -> None:
        inner = json.loads(message.content)
        names = {"cmd": "Cmd", "seq_id": "SeqId", "round": "Round", "data": "Data"}
        if message.room == room["room"]:
            relayed.put_nowait({ours: inner.get(theirs) for ours, theirs in names.items()})

    async def hand_on() -> None:
        while True:
            messages = [await relayed.get()]
            while not relayed.empty():
                messages.append(relayed.get_nowait())
            told = {"messages": messages}
            await visitor.send("client-message", {"t": "avatar-agent", "d": told})
            await asyncio.sleep(0.1)

    if relays:
        emulator.news.listeners.append(relay)
    visitor.handing_on = asyncio.create_task(hand_on())  # type: ignore[attr-defined]
    emulator.rooms.enter(room["room"], room["user"])
    await emulator.until(lambda: room["stream"] in emulator.published(room["room"]))
    await visitor.send("client-message", {"t": "avatar-joined", "d": {}})
    return room


@asynccontextmanager
async def visit(bot: Bot, ticket: str | None = None) -> AsyncIterator[Visitor]:
    async with visiting(bot, ticket) as visitor:
        try:
            yield visitor
        finally:
            if handing_on := getattr(visitor, "handing_on", None):
                handing_on.cancel()
                await asyncio.gather(handing_on, return_exceptions=True)


async def test_whole_conversation_is_held_and_goes_on_with_the_next_connection(
    tmp_path: Path,
) -> None:
    async with (
        serve(**KNOBS) as emulator,
        running_bot(tmp_path, **account("zego-agent", emulator)) as bot,
    ):
        async with visit(bot) as visitor:
            session = await visitor.kind("session")
            assert (session["llm"], session["avatar"]) == ("zego-agent", "zego-agent")
            assert not emulator.sessions  # nobody has asked for it
            room = await enter(visitor, emulator)
            assert (await visitor.kind("avatar-face"))["by"] == "vendor"
            assert await visitor.answer() == GREETING
            assert await visitor.ask("what is new") == "You said: what is new."
            (instance,) = emulator.instances()
            assert instance.terms.room == room["room"]
            instance.hears("hello", 0.1)
            spoken = await visitor.until(lambda m: m.get("text") == "hello" and "source" in m)
            assert spoken["source"] == "spoken"
            await visitor.until(lambda m: m.get("text") == "You said: hello." and m.get("final"))
            ticket = (await visitor.kind("ticket"))["token"]
        await emulator.until(lambda: not emulator.running())
        async with visit(bot, ticket) as again:
            await enter(again, emulator)
            (instance,) = emulator.running()
            assert instance.talk.history == [
                {"Role": role, "Content": text}
                for role, text in (
                    ("assistant", GREETING),
                    ("user", "what is new"),
                    ("assistant", "You said: what is new."),
                    ("user", "hello"),
                    ("assistant", "You said: hello."),
                )
            ]
        await emulator.until(lambda: not emulator.running())
    assert leaks(tmp_path, bot, visitor) == []


@PROGRAMS
async def test_what_only_callbacks_tell_comes_to_its_conversation(
    tmp_path: Path, program: tuple[str, ...]
) -> None:
    async with serve(**KNOBS) as emulator:
        settings = account("zego-agent", emulator)
        secret = emulator.callback_secret
        running = running_bot(tmp_path, *program, **settings, ZEGO_CALLBACK_SECRET=secret)
        async with running as bot:
            emulator.knobs = emulator.knobs.turned({"callback_url": f"{bot.origin}{CALLBACKS}"})
            async with visit(bot) as one, visit(bot) as other:
                for visitor in (one, other):
                    await visitor.kind("session")
                    await enter(visitor, emulator, relays=False)
                    assert await visitor.answer() == GREETING
                first, _ = emulator.instances()
                emulator.turn(text_ms=60)
                before = len(one.messages)
                heard_s = sum(each.seconds for each in emulator.heard(first.id))
                first.hears("one two three four five six seven", 0.1)
                await one.kind("bot-started-speaking", before)
                await emulator.hears(heard_s + 0.8, first.id)
                first.hears("stop", 0.1)
                cut = await one.until(lambda m: m.get("cut") is True, before)
                assert "You said: one two three four five six seven.".startswith(cut["text"])
                assert len(cut["text"]) < 40
                await one.until(lambda m: m.get("text") == "You said: stop." and m.get("final"))
                assert not [each for each in other.messages if each.get("role") == "user"]
            await emulator.until(lambda: not emulator.running())
        assert leaks(tmp_path, bot) == []


@PROGRAMS
async def test_agent_asks_the_bots_own_brain_which_remembers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: tuple[str, ...]
) -> None:
    port = free_port()
    monkeypatch.setattr(visitors, "free_port", lambda: port)
    async with serve(**{**KNOBS, "llm": "asked"}) as emulator:
        settings = account("zego-agent", emulator)
        settings |= {"ZEGO_AGENT_LLM_URL": "", "PUBLIC_URL": f"http://localhost:{port}"}
        async with running_bot(tmp_path, *program, **settings) as bot, visit(bot) as visitor:
            assert (await visitor.kind("session"))["llm"] == "local"
            await enter(visitor, emulator)
            assert await visitor.answer() == GREETING
            assert "Anna" in await visitor.ask("My name is Anna")
            (instance,) = emulator.instances()
            before = len(visitor.messages)
            instance.hears("what is my name", 0.1)
            assert "Anna" in await visitor.answer(before)
            key = instance.terms.blocks["LLM"]["ApiKey"]
            assert not [line for line in bot.log if key in line]
        assert leaks(tmp_path, bot) == []


async def test_brain_that_fails_is_told_once_and_nobody_waits_for_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setattr(visitors, "free_port", lambda: port)
    async with serve(**{**KNOBS, "llm": "asked"}) as emulator:
        settings = account("zego-agent", emulator)
        settings |= {"ZEGO_AGENT_LLM_URL": "", "PUBLIC_URL": f"http://localhost:{port}"}
        settings |= {"OPENAI_API_KEY": "SECRET-openai", "OPENAI_BASE_URL": "http://127.0.0.1:9"}
        async with running_bot(tmp_path, **settings) as bot, visit(bot) as visitor:
            await visitor.kind("session")
            await enter(visitor, emulator)
            assert await visitor.answer() == GREETING
            before = len(visitor.messages)
            await visitor.type("Who are you?")
            await visitor.kind("no-answer", before)
            notice = await visitor.kind("notice", before)
            assert "The language model cannot be reached" in notice["text"]
            await emulator.until(lambda: len(emulator.instances()[0].utterances) == 2)  # aloud
            await visitor.kind("bot-stopped-speaking", before)
            assert visitor.notices() == [notice["text"]]
        assert leaks(tmp_path, bot) == []


async def test_agent_that_cannot_be_had_ends_the_conversation_with_a_sentence(
    tmp_path: Path,
) -> None:
    async with (
        serve(**KNOBS) as emulator,
        running_bot(tmp_path, **account("zego-agent", emulator)) as bot,
        visit(bot) as visitor,
    ):
        emulator.fail("CreateDigitalHumanAgentInstance", code=410001048)
        await visitor.kind("session")
        await visitor.send("client-message", {"t": "avatar-watch", "d": {}})
        notice = await visitor.kind("notice")
        assert notice["ends"]
        assert "ZEGO_DIGITAL_HUMAN_ID" in notice["text"]
        assert await visitor.until_over() == 1000


async def be_killed(bot: Bot, emulator: Emulator, moment: str, random: Random) -> None:
    async with visit(bot) as visitor:
        await visitor.kind("session")
        if moment == "opening":
            await visitor.send("client-message", {"t": "avatar-watch", "d": {}})
            await asyncio.sleep(random.uniform(0, 0.5))
        else:
            await enter(visitor, emulator)
        if moment == "speaking":
            await visitor.type("tell me something")
            await asyncio.sleep(random.uniform(0, 0.6))
        if moment != "closing":
            bot.process.kill()
    if moment == "closing":
        await asyncio.sleep(random.uniform(0, 0.4))
        bot.process.kill()
    await bot.process.wait()


@pytest.mark.parametrize("kills", [6, pytest.param(50, marks=pytest.mark.long)])
async def test_next_start_ends_what_a_killed_bot_left_as_far_as_it_can_be_named(
    tmp_path: Path, kills: int
) -> None:
    seed = SystemRandom().randrange(2**32)
    random = Random(seed)
    left = 0
    async with serve(**KNOBS, rest_delay_ms=100, instance_limit=0, face_limit=0) as emulator:
        for number in range(kills + 1):
            async with running_bot(tmp_path, **account("zego-agent", emulator)) as bot:
                with sqlite3.connect(tmp_path / "avatarbot" / "journal.sqlite") as rows:
                    found = rows.execute("SELECT session FROM entry").fetchall()
                named = {session for (session,) in found}
                rooms = {each.terms.room for each in emulator.running()}
                assert rooms <= named, f"after kill {number}, seed {seed}"  # only without an id
                told = [line for line in bot.log if "may run until" in line]
                assert len(told) == len(named), f"after kill {number}, seed {seed}"
                if number < kills:
                    before = len(emulator.running())
                    await be_killed(bot, emulator, MOMENTS[number % len(MOMENTS)], random)
                    left += len(emulator.running()) - before
            assert leaks(tmp_path, bot) == []
        never_named = len(emulator.running())
    logger.info(f"{kills} kills left {left} running; {never_named} of them had no name, {seed=}")
    assert left > kills / 4
    assert never_named < left
