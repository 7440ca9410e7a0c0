"""ZEGO's emulator: what it tells by itself, and what it tells of itself."""

import asyncio
import base64
import hashlib
import json
import struct
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.emulated.zego_client import begin, counted, driving, finish, over, vendor

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def back_end(*refusals: int) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """Takes callbacks, the first few with these statuses."""
    seen: list[dict[str, Any]] = []
    answers = list(refusals)

    async def receive(request: web.Request) -> web.Response:
        seen.append(await request.json())
        return web.Response(status=answers.pop(0) if answers else 204)

    app = web.Application()
    app.router.add_post("/events", receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/events", seen
    finally:
        await runner.cleanup()


async def test_callbacks_are_signed_and_tell_of_tasks_and_drives() -> None:
    async with (
        back_end() as (url, seen),
        driving(callback_url=url) as (emulator, _, socket, drive),
    ):
        await begin(socket, drive)
        await socket.send(counted(0.1))
        await finish(socket, drive)
        await emulator.until(lambda: len(emulator.news.deliveries) == 4)
        for body in seen:
            texts = sorted([emulator.callback_secret, body["Timestamp"], body["Nonce"]])
            assert body["Signature"] == hashlib.sha1("".join(texts).encode()).hexdigest()
            assert body["AppId"] == emulator.knobs.app_id
            assert body["TaskId"] == emulator.session().id
            assert abs(int(body["Timestamp"]) / 1e3 - time.time()) < 5
        by_kind = {(each["EventType"], each["Detail"]["Status"]): each["Detail"] for each in seen}
        assert sorted(by_kind) == [(3, 1), (3, 3), (4, 2), (4, 4)]
        assert by_kind[3, 3] == {"Status": 3, "RoomId": "room-1", "StreamId": "stream-1"}
        assert by_kind[4, 2] == {"Status": 2, "DriveId": drive}
        assert len({each["Nonce"] for each in seen}) == 4


@pytest.mark.parametrize("retry", ["same", "signed anew"])
async def test_a_callback_that_is_not_taken_is_tried_again_six_times_in_all(retry: str) -> None:
    async with (
        back_end(500, 404, 302) as (url, seen),
        vendor(
            callback_url=url, callback_wait_s=0.01, callback_retry=retry, never_connected=True
        ) as (emulator, client),
    ):
        await client.create()
        await emulator.until(lambda: len(emulator.news.deliveries) == 4)
        assert [each.status for each in emulator.news.deliveries] == [500, 404, 302, 204]
        assert len({each["Nonce"] for each in seen}) == (1 if retry == "same" else 4)
        times = [each.at for each in emulator.news.deliveries]
        waits = [later - earlier for earlier, later in pairwise(times)]
        assert waits[0] >= 0.01
        assert waits[2] >= 0.04
        emulator.turn(callback_url="http://127.0.0.1:9/")
        await client.create("stream-2")
        await emulator.until(lambda: len(emulator.news.deliveries) == 10)
        assert [each.status for each in emulator.news.deliveries[4:]] == [0] * 6


async def test_drives_are_told_in_their_room_unless_that_is_lost() -> None:
    async with driving() as (emulator, client, socket, drive):
        heard: list[Any] = []
        emulator.news.listeners.append(heard.append)
        for number in range(2):
            await begin(socket, drive)
            await socket.send(counted(0.1))
            await finish(socket, drive)
            await over(emulator, number + 1)
            await emulator.until(lambda: len(emulator.news.messages) == 2)
            emulator.turn(event_drop=1.0)
        page = await client.get("/_emulator/rooms/room-1")
        assert page["streams"] == ["stream-1"]
        told = [json.loads(each["content"]) for each in page["messages"]]
        assert [each["Data"] for each in told] == [
            {"Status": status, "DriveId": drive} for status in (2, 4)
        ]
        assert {each["Product"] for each in told} == {"digitalhuman"}
        assert [each.content for each in heard] == [each["content"] for each in page["messages"]]


def token(secret: str, user: str, lives_s: int, **payload: Any) -> str:
    """A token for a room, of the newer form."""
    now = int(time.time())
    said = {
        "app_id": 1234567890,
        "user_id": user,
        "nonce": 1,
        "ctime": now,
        "expire": now + lives_s,
        "payload": json.dumps(payload) if payload else "",
    }
    nonce = bytes(12)
    encrypted = AESGCM(secret.encode()).encrypt(nonce, json.dumps(said).encode(), None)
    blob = struct.pack(">qH", now + lives_s, 12) + nonce
    blob += struct.pack(">H", len(encrypted)) + encrypted + b"\x01"
    return "04" + base64.b64encode(blob).decode()


async def test_a_room_lets_in_who_has_a_token_for_it() -> None:
    async with vendor() as (emulator, client):

        async def login(of: str) -> int:
            body = {"user": "ann", "token": of}
            url = f"{client.url}/_emulator/rooms/r/login"
            async with client.http.post(url, json=body) as reply:
                code: int = (await reply.json())["code"]
                return code

        secret = emulator.server_secret
        assert await login(token(secret, "ann", 60)) == 0
        assert (await client.get("/_emulator/rooms/r"))["people"] == ["ann"]
        assert await login(token(secret, "bob", 60)) == 1102020
        assert await login(token(secret, "ann", 60, room_id="other")) == 1102020
        assert await login(token(secret, "ann", -1)) == 1102018
        assert await login(token("x" * 32, "ann", 60)) == 1102016
        async with client.http.post(
            f"{client.url}/_emulator/rooms/r/logout", json={"user": "ann"}
        ) as reply:
            assert reply.status == 200
        assert emulator.rooms.people("r") == []


async def test_it_tells_what_was_heard_and_which_calls_came_when() -> None:
    async with driving() as (emulator, client, socket, drive):
        await begin(socket, drive)
        await socket.send(counted(0.2))
        await finish(socket, drive)
        await over(emulator)
        (row,) = (await client.get("/_emulator/sessions"))["sessions"]
        assert row["state"] == "IDLE"
        assert row["drives"] == {drive: "ENDED"}
        page = await client.get(f"/_emulator/sessions/{row['id']}")
        (said,) = page["utterances"]
        assert (said["task"], said["samples"], said["rate_hz"]) == (drive, 4_800, 24_000)
        assert page["interrupts"] == []
        async with client.http.get(
            f"{client.url}/_emulator/sessions/{row['id']}/heard.pcm"
        ) as reply:
            assert await reply.read() == counted(0.2)
        calls = (await client.get("/_emulator/calls"))["calls"]
        assert [(each["name"], each["code"]) for each in calls] == [
            ("CreateDigitalHumanStreamTask", 0),
            ("DriveByWsStream", 0),
        ]
        assert {each["session"] for each in calls} == {row["id"]}
        messages = await client.get("/_emulator/messages?kind=Start")
        assert [each["event_id"] for each in messages["received"]] == [drive]
        assert len((await client.get("/_emulator/callbacks"))["callbacks"]) == 0
        body = {"knobs": {"cut_on": "reserve"}, "fail": [{"call": "*", "status": 503}]}
        async with client.http.post(f"{client.url}/_emulator/script", json=body) as reply:
            assert reply.status == 200
        assert (await client.get("/_emulator/knobs"))["knobs"]["cut_on"] == "reserve"


async def test_it_runs_by_itself() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "emulators.zego", "--seed", "3", "--fail", "GetTimbreList=503"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout
        async with asyncio.timeout(20):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("listening on http://127.0.0.1:")
    finally:
        process.terminate()
        await process.wait()
