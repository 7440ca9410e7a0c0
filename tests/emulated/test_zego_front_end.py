"""The API for people's own front ends, over real sockets: who shows a ticket gets at their own."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect

from emulators.zego import Emulator, serve
from server.tickets import Tickets
from tests.emulated.paying import answer_to
from tests.emulated.visitor import Bot, Visitor, visiting
from tests.emulated.zego_bot import PROGRAMS, zego_bot
from tests.emulated.zego_client import QUICK

pytestmark = pytest.mark.asyncio

KEY = bytes(range(32))
CREATE = "/api/digital-human/create-task"
TALK = "/api/digital-human/talk-to-ai"
STOP = "/api/digital-human/stop-task"
TOKEN = "/api/token"
DEADLINE_S = 20.0
FOREIGN = "01234567-89ab-4def-8123-456789abcdef"


class Front:
    """Somebody's own front end, or their server."""

    def __init__(self, http: aiohttp.ClientSession, bot: Bot, session: str) -> None:
        self._http = http
        self._origin = bot.origin
        self.session = session
        self.ticket = Tickets(KEY, now=time.time).issue(session=session, scope="conversation")

    async def ask(
        self, path: str, body: Any = None, ticket: str | None = None, **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Status, answer and headers. A token is asked for with the names in the query."""
        shown = {"Authorization": f"Bearer {self.ticket if ticket is None else ticket}"}
        given: dict[str, Any] = {"params": body or {}} if path == TOKEN else {"json": body or {}}
        method = "GET" if path == TOKEN else "POST"
        asked = self._http.request(method, self._origin + path, headers=shown | headers, **given)
        async with asked as answer:
            return answer.status, await answer.json(), answer.headers

    async def gets(self, path: str, **body: Any) -> Any:
        """The answer, once there is one."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                status, answer, _ = await self.ask(path, body)
                if status == 200:
                    return answer
                assert status in (404, 503), (status, answer)
                await asyncio.sleep(0.05)

    async def status(self, path: str, **body: Any) -> int:
        return (await self.ask(path, body))[0]


def session_of(ticket: str) -> str:
    payload = ticket.partition(".")[0]
    claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["session"])


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


@asynccontextmanager
async def at_the_page(
    bot: Bot, http: aiohttp.ClientSession
) -> AsyncIterator[tuple[Visitor, Front]]:
    """A conversation of our page, whose ticket another front end has as well."""
    async with visiting(bot) as visitor:
        ticket = (await visitor.kind("ticket"))["token"]
        front = Front(http, bot, session_of(ticket))
        yield visitor, front


@asynccontextmanager
async def with_a_page_of_their_own(bot: Bot, http: aiohttp.ClientSession) -> AsyncIterator[Front]:
    """A conversation of a client that knows Pipecat's protocol and nothing of faces."""
    headers = {"Origin": bot.origin}
    async with http.post(f"{bot.origin}/start", json={}, headers=headers) as answer:
        welcome = await answer.json()
    url = f"{welcome['wsUrl']}?token={welcome['token']}"
    async with connect(url, additional_headers=headers, proxy=None):
        yield Front(http, bot, session_of(welcome["token"]))


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
