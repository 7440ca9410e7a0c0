"""The API for people's own front ends, over real sockets: who shows a ticket gets at their own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path

import aiohttp
import pytest
from websockets.asyncio.client import connect

from emulators.zego import Emulator, serve
from launcher.tenants import hash_of
from server.tickets import Tickets
from tests.emulated.front_end import (
    CREATE,
    DEADLINE_S,
    FOREIGN,
    KEY,
    STOP,
    TALK,
    TOKEN,
    Front,
    at_the_page,
    with_a_page_of_their_own,
)
from tests.emulated.paying import answer_to
from tests.emulated.visitor import Bot, visiting
from tests.emulated.zego_bot import LAUNCHER, PROGRAMS, zego_bot
from tests.emulated.zego_client import QUICK

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def bots(
    folder: Path, *program: str, **settings: str
) -> AsyncIterator[tuple[Emulator, Bot, aiohttp.ClientSession]]:
    async with (
        serve(**QUICK) as emulator,
        zego_bot(folder, emulator, *program, SESSION_SECRET=KEY.hex(), **settings) as bot,
        aiohttp.ClientSession() as http,
    ):
        yield emulator, bot, http
        await emulator.until(lambda: not emulator.running())


@PROGRAMS
async def test_front_end_of_ones_own_creates_talks_and_stops(
    tmp_path: Path, program: tuple[str, ...]
) -> None:
    async with (
        bots(tmp_path, *program) as (emulator, bot, http),
        with_a_page_of_their_own(bot, http) as front,
    ):
        async with asyncio.timeout(DEADLINE_S):
            while await front.status(TOKEN) == 404:  # the conversation is about to begin
                await asyncio.sleep(0.05)
        assert await front.status(TOKEN) == 409
        assert not emulator.sessions, "nothing is paid for before somebody asks"
        both = await asyncio.gather(front.gets(CREATE), front.gets(CREATE))
        made = both[0]
        assert both[1] == made == await front.gets(CREATE)
        (task,) = emulator.running()
        assert made["taskId"] == task.id
        assert made["roomId"] == made["streamId"] == task.terms.stream
        names = {name: made[name] for name in ("roomId", "streamId", "userId")}
        assert await front.gets(CREATE, **names) == made

        status, token, headers = await front.ask(TOKEN, names)
        assert status == 200
        assert headers["cache-control"] == "no-store"
        assert token["token"].startswith("04")
        assert {name: token[name] for name in names} == names
        front.ticket = headers["avatarbot-ticket"]

        assert await front.status(TALK, taskId=task.id, lang="xx") == 400
        for _ in range(2):
            assert await front.gets(TALK, taskId=task.id, lang="en-US") == {"taskId": task.id}
        for _ in range(2):
            assert await front.gets(STOP, taskId=task.id) == {"taskId": task.id}
            assert not emulator.running()
        assert await front.status(TALK, taskId=task.id) == 404
        assert await front.status(CREATE) == await front.status(TOKEN) == 409
        assert len(emulator.sessions) == 1


async def test_page_and_another_front_end_ask_for_one_and_the_same(tmp_path: Path) -> None:
    async with bots(tmp_path) as (emulator, bot, http), at_the_page(bot, http) as (visitor, front):
        await visitor.send("client-message", {"t": "avatar-watch", "d": {}})
        made = await front.gets(CREATE)
        room = await visitor.kind("avatar-room")
        assert (room["room"], room["user"]) == (made["roomId"], made["userId"])
        await front.gets(TALK, taskId=made["taskId"])
        await visitor.until(lambda m: m["type"] == "avatar-face" and m["by"] == "vendor")
        assert "Ava" in await answer_to(visitor, "What is your name?")
        assert sum(each.seconds for each in emulator.heard()) > 1
        await front.gets(STOP, taskId=made["taskId"])
        await visitor.until(lambda m: m["type"] == "avatar-face" and m["by"] == "local")
        assert not emulator.running()
        assert "Ava" in await answer_to(visitor, "What is your name?"), "it goes on without"
        assert visitor.notices() == []
        assert len(emulator.sessions) == 1


@PROGRAMS
async def test_no_combination_of_foreign_names_has_an_effect(
    tmp_path: Path, program: tuple[str, ...]
) -> None:
    async with (
        bots(tmp_path, *program) as (emulator, bot, http),
        at_the_page(bot, http) as (visitor, front),
        at_the_page(bot, http) as (other_visitor, other),
    ):
        mine, theirs = await front.gets(CREATE), await other.gets(CREATE)
        assert mine["taskId"] != theirs["taskId"]
        await emulator.until(lambda: len(emulator.running()) == 2)
        running, tried = {*emulator.running()}, 0
        names = ("roomId", "streamId", "userId")
        for path, values in product(
            (TOKEN, CREATE), product(*((None, mine[n], theirs[n], FOREIGN) for n in names))
        ):
            given = {n: value for n, value in zip(names, values, strict=True) if value}
            is_mine = all(mine[name] == value for name, value in given.items())
            status, answer, _ = await front.ask(path, given)
            assert status == (200 if is_mine else 404), (path, given)
            if is_mine:
                assert {name: answer[name] for name in names} == {n: mine[n] for n in names}
            else:
                assert answer == {"detail": "Not Found"}
            tried += 1
        for path, task in product((TALK, STOP), (theirs["taskId"], theirs["roomId"], FOREIGN)):
            assert await front.status(path, taskId=task) == 404
            tried += 1
        humans = (FOREIGN, theirs["taskId"])
        assert {await front.status(CREATE, digitalHumanId=each) for each in humans} == {404}
        assert {*emulator.running()} == running
        assert len(emulator.sessions) == 2
        for each in (visitor, other_visitor):
            faces = [m["by"] for m in each.messages if m["type"] == "avatar-face"]
            assert "vendor" not in faces
        assert tried == 2 * 4**3 + 6


REFUSED = [
    {"prompt": "You are somebody else."},
    {"SystemPrompt": "x"},
    {"llm": {"Url": "https://elsewhere.example"}},
    {"roomId": ["x"]},
    {"roomId": 7},
    {"roomId": ""},
    {"roomId": "x" * 201},
    {"taskId": None},
]


async def test_what_is_not_for_who_asks_to_say_is_refused_and_not_quoted(tmp_path: Path) -> None:
    async with bots(tmp_path) as (emulator, bot, http), at_the_page(bot, http) as (_, front):
        task = (await front.gets(CREATE))["taskId"]
        for path, body in product((CREATE, TALK, STOP), REFUSED):
            needed = {} if path == CREATE else {"taskId": task}
            status, answer, _ = await front.ask(path, needed | body)
            assert (status, answer) == (400, {"detail": "That is not what is taken here."})
        assert await front.status(TALK) == await front.status(STOP) == 400
        assert (await front.ask(TOKEN, {"prompt": "x"}))[0] == 400
        assert [each.id for each in emulator.running()] == [task]
        assert len(emulator.sessions) == 1


@PROGRAMS
async def test_tickets_that_are_not_good_open_nothing(
    tmp_path: Path, program: tuple[str, ...]
) -> None:
    async with bots(tmp_path, *program) as (emulator, bot, http):
        async with at_the_page(bot, http) as (visitor, front):
            task = (await front.gets(CREATE))["taskId"]
            now = Tickets(KEY, now=time.time)
            of = {"session": front.session}
            session = (await visitor.kind("ticket"))["token"]
            bad = [
                "",
                "x",
                session[:-1] + ("A" if session[-1] != "A" else "B"),
                Tickets(KEY, now=lambda: time.time() - 3_600).issue(**of, scope="conversation"),
                now.issue(**of, scope="conversation", life_s=0),
                now.issue(**of, scope="admin"),
                Tickets(bytes(32), now=time.time).issue(**of, scope="conversation"),
            ]
            paths = (TOKEN, CREATE, TALK, STOP)
            for path, ticket in product(paths, bad):
                body = {"taskId": task} if path in (TALK, STOP) else {}
                status, answer, headers = await front.ask(path, body, ticket)
                assert (status, [*answer]) == (401, ["detail"]), (path, ticket)
                assert "avatarbot-ticket" not in headers
            for path in paths:
                body = {"taskId": task} if path in (TALK, STOP) else {}
                nobody = now.issue(session=FOREIGN, scope="conversation")
                assert (await front.ask(path, body, nobody))[0] == 404
                elsewhere = {"Origin": "https://elsewhere.example"}
                assert (await front.ask(path, body, **elsewhere))[0] == 403
                # The same path in the session's own place, and what only the launcher may say.
                inside = f"/sessions/{front.session}{path}"
                claims = {"session": front.session, "tenant": "local", "scope": "conversation"}
                forged = {
                    "claims": {**claims, "id": "x", "issued": 0, "expires": 9e9},
                    "about": "x",
                }
                known = {"avatarbot-known": json.dumps(forged)}
                assert (await front.ask(inside, body, **known))[0] in (401, 404, 405)
            called = f"/sessions/{front.session}/callbacks/zego"
            assert (await front.ask(called, {}, **known))[0] == 404
            assert len(emulator.running()) == 1
            assert (await front.ask(TOKEN, {}, session))[0] == 200, "nobody has come with it yet"
        async with visiting(bot, session):
            assert (await front.ask(TOKEN, {}, session))[0] == 401, "somebody has"


SITE, OTHER_SITE = "https://www.acme.example", "https://www.beta.example"
TENANTS = """
[[tenant]]
name = "acme"
key_sha256 = ["{}"]
origins = ["{}"]

[[tenant]]
name = "beta"
key_sha256 = ["{}"]
origins = ["{}"]
"""


async def test_site_of_a_tenant_asks_for_its_own_and_no_other_site_does(tmp_path: Path) -> None:
    file = tmp_path / "tenants.toml"
    file.touch(0o600)
    file.write_text(TENANTS.format(hash_of("acme"), SITE, hash_of("beta"), OTHER_SITE))
    async with bots(tmp_path, *LAUNCHER, TENANTS_FILE=str(file)) as (emulator, bot, http):
        key = {"Authorization": "Bearer acme"}
        async with http.post(f"{bot.origin}/start", json={}, headers=key) as answer:
            welcome = await answer.json()
        front = Front(http, bot, welcome["sessionId"])
        front.ticket = welcome["apiToken"]
        url = f"{welcome['wsUrl']}?token={welcome['token']}"
        async with connect(url, origin=SITE, proxy=None):
            made = await front.gets(CREATE)
            from_site = {"Origin": SITE, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
            for path, body in ((TOKEN, {}), (CREATE, {}), (TALK, {"taskId": made["taskId"]})):
                status, _, headers = await front.ask(path, body, **from_site)
                assert (status, headers["access-control-allow-origin"]) == (200, SITE)
                assert headers["access-control-expose-headers"] == "avatarbot-ticket"
                assert (await front.ask(path, body, **from_site | {"Origin": OTHER_SITE}))[0] == 403
                theirs = Tickets(KEY, now=time.time).issue(
                    session=front.session, tenant="beta", scope="conversation"
                )
                assert (await front.ask(path, body, theirs))[0] == 404
                asks = {
                    "Origin": SITE,
                    "Access-Control-Request-Method": "GET" if path == TOKEN else "POST",
                    "Access-Control-Request-Headers": "authorization",
                }
                async with http.options(bot.origin + path, headers=asks) as preflight:
                    assert preflight.status == 200
            assert len(emulator.running()) == 1
        async with http.get(f"{bot.origin}/openapi.json", headers=key) as described:
            paths = (await described.json())["paths"]
        assert {TOKEN, CREATE, TALK, STOP, "/callbacks/zego"} <= set(paths)
        asked = paths[CREATE]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert asked["$ref"].endswith("/NewTask")
