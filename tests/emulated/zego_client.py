"""A bare client of ZEGO's two services: `aiohttp` for REST, `websockets` for the drive socket."""

import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect

from emulators.zego import Emulator, serve

AVATAR = "c4b56d5c-db98-4d91-86d4-5a97b507da97"
QUICK = {
    "connected_delay_ms": 2,
    "speak_start_ms": 10,
    "start_spread_ms": 5,
    "jitter_ms": 2,
    "drain_ms": 10,
    "rate_limit": 0,
}
RATE_HZ = 24_000


class Client:
    """Signs, asks, and gets JSON."""

    def __init__(self, http: aiohttp.ClientSession, emulator: Emulator) -> None:
        self.http = http
        self.url = emulator.url
        self.app_id = emulator.knobs.app_id
        self.secret = emulator.server_secret

    def query(self, action: str, **changes: Any) -> dict[str, str]:
        """What a request has in its address."""
        now = int(time.time()) + changes.pop("skew_s", 0)
        nonce, stamp = secrets.token_hex(8), str(changes.pop("Timestamp", now))
        text = f"{self.app_id}{nonce}{changes.pop('secret', self.secret)}{stamp}"
        query = {
            "Action": action,
            "AppId": str(self.app_id),
            "SignatureNonce": nonce,
            "Timestamp": stamp,
            "Signature": hashlib.md5(text.encode()).hexdigest(),
            "SignatureVersion": "2.0",
            **changes,
        }
        return {name: value for name, value in query.items() if value is not None}

    async def reply(self, action: str, body: Any = None, **changes: Any) -> dict[str, Any]:
        """Returns the envelope."""
        query = self.query(action, **changes)
        async with self.http.post(f"{self.url}/", params=query, json=body or {}) as reply:
            assert reply.status == 200
            envelope: dict[str, Any] = await reply.json()
        assert isinstance(envelope["Code"], int)
        assert isinstance(envelope["RequestId"], str)
        return envelope

    async def code(self, action: str, body: Any = None, **changes: Any) -> int:
        """Returns the code of a call."""
        return (await self.reply(action, body, **changes))["Code"]

    async def ask(self, action: str, **body: Any) -> dict[str, Any]:
        """Returns `Data` of a call that succeeds."""
        envelope = await self.reply(action, body)
        assert envelope["Code"] == 0, envelope
        return envelope.get("Data", {})

    async def create(self, stream: str = "stream-1", **more: Any) -> str:
        """Returns the TaskId."""
        body = {
            "DigitalHumanConfig": {"DigitalHumanId": AVATAR},
            "RTCConfig": {"RoomId": "room-1", "StreamId": stream},
        }
        return (await self.ask("CreateDigitalHumanStreamTask", **{**body, **more}))["TaskId"]

    async def get(self, path: str) -> Any:
        """Returns what the emulator tells of itself."""
        async with self.http.get(self.url + path) as reply:
            assert reply.status == 200
            return await reply.json()


@asynccontextmanager
async def vendor(**knobs: Any) -> AsyncIterator[tuple[Emulator, Client]]:
    async with serve(seed=1, **{**QUICK, **knobs}) as emulator, aiohttp.ClientSession() as http:
        yield emulator, Client(http, emulator)


@asynccontextmanager
async def streaming(**knobs: Any) -> AsyncIterator[tuple[Emulator, Client, str]]:
    """A task that can be driven."""
    async with vendor(**knobs) as (emulator, client):
        task = await client.create()
        await emulator.until(lambda: emulator.session().avatar.state.name == "IDLE")
        yield emulator, client, task


@asynccontextmanager
async def driving(
    **knobs: Any,
) -> AsyncIterator[tuple[Emulator, Client, ClientConnection, str]]:
    """A task, a socket to it, and a DriveId that was not begun."""
    async with streaming(**knobs) as (emulator, client, task):
        data = await client.ask("DriveByWsStream", TaskId=task)
        async with connect(data["WssAddress"]) as socket:
            yield emulator, client, socket, data["DriveId"]


async def begin(socket: ClientConnection, drive: str, **form: Any) -> None:
    await say(socket, "Start", {"DriveId": drive, "SampleRate": RATE_HZ} | form)


async def finish(socket: ClientConnection, drive: str) -> None:
    await say(socket, "Stop", {"DriveId": drive})


async def say(socket: ClientConnection, action: str, payload: Any) -> None:
    await socket.send(json.dumps({"Action": action, "Payload": payload}))


def counted(seconds: float) -> bytes:
    """Samples that count up, so that each can be told from the others."""
    count = int(seconds * RATE_HZ)
    return b"".join((each % 65_536).to_bytes(2, "little") for each in range(count))


async def over(emulator: Emulator, drives: int = 1) -> None:
    """Returns when so many drives were heard, and none is."""

    def are() -> bool:
        said = emulator.heard()
        return len(said) == drives and all(each.ended_at for each in said)

    await emulator.until(are)
