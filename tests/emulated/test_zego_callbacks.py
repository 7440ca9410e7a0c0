"""`POST /callbacks/zego` over real sockets: what ZEGO says counts once, what others say never."""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from emulators.zego import serve
from emulators.zego.news import milliseconds
from tests.emulated.paying import answer_to, watch
from tests.emulated.visitor import visiting
from tests.emulated.zego_bot import PROGRAMS, zego_bot
from tests.emulated.zego_client import QUICK
from tests.emulated.zego_door import APP_ID, SECRET, Door, Ear, door
from transports.zego.callbacks import signature
from transports.zego.tasks import DriveStatus
from transports.zego.told import DriveTold

pytestmark = pytest.mark.asyncio

DRIVEN = {"TaskId": "task-1", "EventType": 4, "Detail": {"DriveId": "d", "Status": 2}}
CREATED = {
    "Event": "AgentInstanceCreated",
    "AgentInstanceId": "1912",
    "AgentUserId": "agent-1",
    "RoomId": "room-1",
    "Data": {"CreatedTimestamp": 1},
}


async def test_what_zego_says_counts_once_and_is_taken_whatever_it_is(tmp_path: Path) -> None:
    ear = Ear()
    async with door(tmp_path) as there:
        with there.desk.listening(ear):
            first = there.signed("n1", DRIVEN)
            assert await there.called_back(first) == 200
            assert await there.called_back(first) == 200, "ZEGO tries again where it hears nothing"
            assert len(ear.heard) == 1
            assert await there.called_back(there.signed("n2", CREATED)) == 200
            assert len(ear.heard) == 2
            unknown = {"TaskId": "task-1", "EventType": 9, "Detail": {}}
            assert await there.called_back(there.signed("n3", unknown)) == 200
            assert await there.called_back(there.signed("n4", {**DRIVEN, "TaskId": "x"})) == 200
            assert len(ear.heard) == 2


async def test_without_the_secret_there_is_no_such_path(tmp_path: Path) -> None:
    async with door(tmp_path, secret="") as there:
        assert await there.called_back(there.signed("n1", DRIVEN)) == 404


async def test_pages_of_other_sites_do_not_call(tmp_path: Path) -> None:
    async with door(tmp_path) as there:
        body = there.signed("n1", DRIVEN)
        assert await there.called_back(body, Origin="https://elsewhere.example") == 403
        assert await there.called_back(body, Host="elsewhere.example") == 403
        assert (await there.ask("GET", "/callbacks/zego"))[0] == 405
        large = {**body, "Padding": "x" * 2**16}
        assert await there.called_back(large) == 413


@pytest.mark.parametrize("vector", [("secret", "1470820198", "123412")])
async def test_vector_of_the_documents_is_too_old(
    tmp_path: Path, vector: tuple[str, str, str]
) -> None:
    secret, at, nonce = vector
    async with door(tmp_path, secret=secret) as there:
        sealed = {"Nonce": nonce, "Timestamp": at, "Signature": signature(*vector)}
        old = {"AppId": APP_ID, **DRIVEN, **sealed}
        assert await there.called_back(old) == 403
        there.later(1470820198 - there.now)
        assert await there.called_back(old) == 200


async def test_thousand_that_are_malformed_forged_replayed_or_altered_have_no_effect(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    random, ear = Random(6), Ear()
    count = 20_000 if request.config.getoption("--long") else 1_000
    async with door(tmp_path) as there:
        with there.desk.listening(ear):
            seen = [there.signed(f"{random.getrandbits(63)}", DRIVEN) for _ in range(20)]
            for each in seen:
                assert await there.called_back(each) == 200
            genuine, ear.heard = ear.heard, []
            assert len(genuine) == len(seen)
            made = (_wicked(there, random, random.choice(seen)) for _ in range(count))
            statuses = [await there.called_back(each) for each in made]
            assert ear.heard == []
            assert {*statuses} <= {200, 403, 413}
            assert statuses.count(403) > count / 3
            assert await there.called_back(there.signed("last", DRIVEN)) == 200
            assert len(ear.heard) == 1, "it still hears"


def _wicked(there: Door, random: Random, seen: dict[str, Any]) -> object:
    """What somebody sends who has seen a callback, and does not know the secret."""
    ended = {**DRIVEN, "Detail": {"DriveId": "d", "Status": 4}}
    stopped = {"TaskId": "task-1", "EventType": 3, "Detail": {"Status": 5, "RoomId": "room-1"}}
    content: dict[str, Any] = random.choice([DRIVEN, ended, stopped, CREATED])
    new_nonce = str(random.getrandbits(63))
    match random.randrange(9):
        case 0:  # the same again, saying something else
            return {**seen, **content}
        case 1:  # with another nonce
            return {**seen, **content, "Nonce": new_nonce}
        case 2:  # with another time
            return {**seen, "Timestamp": str(int(seen["Timestamp"]) + random.randrange(1, 9_999))}
        case 3:  # of another project, or none
            return {**seen, "AppId": random.choice([APP_ID + 1, None, "", [APP_ID], True])}
        case 4:  # signed with another secret
            at = seen["Timestamp"]
            forged = signature(random.choice(["", "secret", SECRET.upper()]), at, new_nonce)
            return {**content, "AppId": APP_ID, "Timestamp": at, "Nonce": new_nonce} | {
                "Signature": forged
            }
        case 5:  # with the border between time and nonce elsewhere
            at, nonce = seen["Timestamp"], seen["Nonce"]
            cut = random.randrange(1, len(at + nonce))
            return {**seen, **content, "Timestamp": (at + nonce)[:cut], "Nonce": (at + nonce)[cut:]}
        case 6:  # broken
            text = bytearray(json.dumps(seen).encode())
            for _ in range(random.randint(1, 8)):
                text[random.randrange(len(text))] = random.randrange(256)
            return bytes(text)
        case 7:  # of other shapes
            name = random.choice(["Nonce", "Timestamp", "Signature"])
            odd = random.choice([None, [], {}, "", True, -1, 1e308, "0", "ü", "x" * 300])
            return {**seen, **content, name: odd}
        case _:  # nothing, too much, too deep
            return random.choice(
                [b"", b"{}", b"[" * 60_000, b"null", b"\xff\xfe", b"%7B%7D", b" " * 70_000]
            )


@PROGRAMS
async def test_callbacks_reach_the_conversation_that_they_are_about(
    tmp_path: Path, program: tuple[str, ...]
) -> None:
    async with serve(**QUICK) as emulator, zego_bot(tmp_path, emulator, *program) as bot:
        async with visiting(bot) as visitor, visiting(bot) as other:
            await emulator.until(lambda: len(emulator.running()) == 2)
            await watch(visitor)
            await visitor.until(lambda m: m["type"] == "avatar-face" and m["by"] == "vendor")
            assert "Ava" in await answer_to(visitor, "What is your name?")
            assert visitor.notices() == other.notices() == []
        await emulator.until(lambda: not emulator.running())
        tries = emulator.news.deliveries
        assert {each.body["EventType"] for each in tries} == {3, 4}
        assert {(each.attempt, each.status) for each in tries} == {(1, 200)}
        assert "is not understood" not in "".join(bot.log)


@PROGRAMS
async def test_callback_that_tells_of_an_end_ends_nothing(
    tmp_path: Path, program: tuple[str, ...]
) -> None:
    """Its signature says nothing of what it says: the vendor is asked."""
    async with (
        serve(**QUICK) as emulator,
        zego_bot(tmp_path, emulator, *program) as bot,
        visiting(bot) as visitor,
    ):
        await emulator.until(emulator.running)
        await watch(visitor)
        await visitor.until(lambda m: m["type"] == "avatar-face" and m["by"] == "vendor")
        (task,) = emulator.running()

        def looks() -> int:
            asked = (each.name for each in emulator.record.calls)
            return sum(name == "GetDigitalHumanStreamTaskStatus" for name in asked)

        before = looks()
        for status in (2, 4, 5):
            said = {"TaskId": task.id, "EventType": 3, "Detail": {"Status": status}}
            body = {"AppId": emulator.knobs.app_id, **said}
            emulator.news.call(task.id, "altered", body, milliseconds(), "session")
        await emulator.until(lambda: looks() > before)
        assert "Ava" in await answer_to(visitor, "What is your name?")
        assert emulator.running() == [task]


@pytest.mark.parametrize("retry", ["same", "signed anew"])
async def test_what_zego_tries_again_is_told_in_the_end(tmp_path: Path, retry: str) -> None:
    """Twice it hears nothing of our answer, though the first try has come."""
    ear, lost = Ear(), 2
    async with (
        serve(callback_wait_s=0.02, callback_retry=retry) as zego,
        door(tmp_path, secret=zego.callback_secret) as there,
    ):
        there.later(time.time() - there.now)

        async def lose(request: web.Request) -> web.Response:
            nonlocal lost
            status = await there.called_back(await request.read())
            lost -= 1
            return web.Response(status=status if lost < 0 else 504)

        app = web.Application()
        app.router.add_post("/", lose)
        async with TestServer(app) as proxy:
            zego.knobs = zego.knobs.turned({"callback_url": str(proxy.make_url("/"))})
            with there.desk.listening(ear):
                body = {"AppId": APP_ID, **DRIVEN}
                zego.news.call("task-1", "again", body, milliseconds(), "session")
                await zego.until(lambda: len(zego.news.deliveries) == 3)
    assert [each.status for each in zego.news.deliveries] == [504, 504, 200]
    # Signed anew it is another callback for who can tell by the signature alone; it says the same.
    assert len(ear.heard) == (1 if retry == "same" else 3)
    assert {*ear.heard} == {DriveTold("task-1", "d", DriveStatus.DRIVING)}
