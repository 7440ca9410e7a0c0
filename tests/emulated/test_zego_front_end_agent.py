"""The same for `AVATAR=zego-agent`: who shows a ticket gets at their own instance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulators.zego import Emulator, serve
from tests.emulated.front_end import (
    DEADLINE_S,
    FOREIGN,
    KEY,
    TOKEN,
    at_the_page,
)
from tests.emulated.paying import account
from tests.emulated.visitor import Bot, running_bot
from tests.emulated.zego_bot import PROGRAMS

pytestmark = pytest.mark.asyncio

KNOBS: dict[str, Any] = {"llm": "parrot", "text_ms": 10, "connected_delay_ms": 20, "rate_limit": 0}
AGENT, INSTANCE, JOINED = "/api/agent", "/api/instance", "/api/instance/joined"
NAMES = ("roomId", "userId", "userStreamId", "agentStreamId", "agentUserId")


@asynccontextmanager
async def bots(
    folder: Path, *program: str
) -> AsyncIterator[tuple[Emulator, Bot, aiohttp.ClientSession]]:
    async with serve(**KNOBS) as emulator:
        settings = account("zego-agent", emulator) | {"SESSION_SECRET": KEY.hex()}
        async with (
            running_bot(folder, *program, **settings) as bot,
            aiohttp.ClientSession() as http,
        ):
            yield emulator, bot, http
            await emulator.until(lambda: not emulator.running())


@PROGRAMS
async def test_front_end_of_ones_own_creates_and_deletes(
    tmp_path: Path, program: tuple[str, ...]
) -> None:
    async with (
        bots(tmp_path, *program) as (emulator, bot, http),
        at_the_page(bot, http) as (_, front),
    ):
        agent = await front.gets(AGENT)
        assert await front.gets(AGENT, **agent) == agent
        assert await front.status(TOKEN) == 409
        assert not emulator.sessions, "nothing is paid for before somebody asks"
        both = await asyncio.gather(front.gets(INSTANCE), front.gets(INSTANCE))
        made = both[0]
        assert both[1] == made == await front.gets(INSTANCE, **agent)
        (instance,) = emulator.instances()
        assert made["agentInstanceId"] == instance.id
        assert made["roomId"] == instance.terms.room
        names = {name: made[name] for name in NAMES}
        assert await front.gets(INSTANCE, **names) == made
        token = await front.gets(TOKEN, **names)
        assert token["token"].startswith("04")
        body = {"agentInstanceId": instance.id}
        assert await front.status("/api/digital-human/create-task") == 404
        assert (await front.ask(INSTANCE, body, method="DELETE"))[:2] == (200, body)
        assert not emulator.running()
        async with asyncio.timeout(DEADLINE_S):
            while await front.status(TOKEN) != 404:  # the conversation is about to end
                await asyncio.sleep(0.05)
        again, _, _ = await front.ask(INSTANCE, body, method="DELETE")
        assert again == await front.status(INSTANCE) == await front.status(TOKEN) == 404
        assert len(emulator.instances()) == 1


@PROGRAMS
async def test_greeting_is_said_once_the_front_end_says_that_it_is_heard(
    tmp_path: Path, program: tuple[str, ...]
) -> None:
    async with (
        bots(tmp_path, *program) as (emulator, bot, http),
        at_the_page(bot, http) as (visitor, front),
    ):
        made = await front.gets(INSTANCE)
        assert await front.status(JOINED, agentInstanceId=FOREIGN) == 404
        (instance,) = emulator.instances()
        emulator.rooms.enter(made["roomId"], made["userId"])
        await emulator.until(lambda: made["agentStreamId"] in emulator.published(made["roomId"]))
        assert not [each for each in emulator.record.calls if each.name == "SendAgentInstanceTTS"]
        body = {"agentInstanceId": instance.id}
        for _ in range(2):
            assert await front.gets(JOINED, **body) == body
        await emulator.until(emulator.heard)  # it would come by itself after ten seconds
        assert (await visitor.kind("avatar-face"))["by"] == "vendor"


@PROGRAMS
@pytest.mark.parametrize("end", ["asked", "vendor"])
async def test_person_is_told_that_nobody_answers_any_more_and_the_conversation_ends(
    tmp_path: Path, program: tuple[str, ...], end: str
) -> None:
    async with (
        bots(tmp_path, *program) as (emulator, bot, http),
        at_the_page(bot, http) as (visitor, front),
    ):
        made = await front.gets(INSTANCE)
        if end == "asked":
            body = {"agentInstanceId": made["agentInstanceId"]}
            assert (await front.ask(INSTANCE, body, method="DELETE"))[0] == 200
        else:
            (instance,) = emulator.instances()
            instance.delete(1202)
            await visitor.type("Are you there?")
        notice = await visitor.kind("notice")
        assert notice["ends"]
        said = {"asked": "was told to end", "vendor": "has ended the session"}[end]
        assert said in notice["text"]
        assert await visitor.until_over() == 1000
        assert visitor.notices() == [notice["text"]]


@PROGRAMS
async def test_no_combination_of_foreign_names_has_an_effect(
    tmp_path: Path, program: tuple[str, ...]
) -> None:
    async with (
        bots(tmp_path, *program) as (emulator, bot, http),
        at_the_page(bot, http) as (_, front),
        at_the_page(bot, http) as (_, other),
    ):
        assert await front.status(INSTANCE, roomId=FOREIGN) == 404
        assert await front.status(INSTANCE, digitalHumanId=FOREIGN) == 404
        assert await front.status(AGENT, agentId=FOREIGN) == 404
        assert not emulator.sessions
        mine, theirs = await front.gets(INSTANCE), await other.gets(INSTANCE)
        running = {*emulator.running()}
        assert len(running) == 2
        choices = product(*((None, mine[name], theirs[name]) for name in NAMES))
        for path, values in product((TOKEN, INSTANCE), choices):
            given = {name: each for name, each in zip(NAMES, values, strict=True) if each}
            is_mine = all(mine[name] == value for name, value in given.items())
            assert await front.status(path, **given) == (200 if is_mine else 404), (path, given)
        for each in (theirs["agentInstanceId"], theirs["roomId"], FOREIGN):
            body = {"agentInstanceId": each}
            assert await front.status(JOINED, **body) == 404
            assert (await front.ask(INSTANCE, body, method="DELETE"))[0] == 404
        for body in ({"SystemPrompt": "x"}, {"LLM": {"Url": "https://elsewhere.example"}}):
            assert await front.status(AGENT, **body) == await front.status(INSTANCE, **body) == 400
        for method, path in product(("POST", "DELETE"), (AGENT, INSTANCE, TOKEN)):
            assert (await front.ask(path, {}, "x", method=method))[0] in (401, 405)
        assert {*emulator.running()} == running
        assert len(emulator.sessions) == 2
