"""A page without a screen, and the bot that it calls: who hears, and who is watched meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from tests.emulated.serving import free_port

ROOT = Path(__file__).parents[1]
VOICE_HZ = 24_000
MICROPHONE_HZ = 16_000
MICROPHONE_S = 0.02  # of sound in each message, as the page sends it
ROOM = 30  # root mean square of a quiet room, of 32,767
LOUD = 600  # a peak above it is speech
QUIET_S = 2.0  # after so much silence the story is over


@asynccontextmanager
async def serving(
    *script: str, **options: Any
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A bot in a process of its own, with its address. `options` are what asyncio takes besides."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *script, "--port", str(port)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        **options,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield f"http://localhost:{port}", process
    finally:
        process.terminate()
        await process.wait()


class Listener:
    """A page without a screen: it hears in real time, and says how far it is."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.samples = 0
        self.arrived: list[float] = []  # when each piece of the voice came
        self.heard_at = 0.0  # when all that came so far was heard
        self.spoke_at = 0.0  # when the last loud piece left
        self._to_say: deque[bytes] = deque()
        self._utterance = ""
        self._received = 0
        self._begun_at = 0.0

    async def tell(self, kind: str, data: object) -> None:
        await self._socket.send_json({"label": "rtvi-ai", "type": kind, "id": "1", "data": data})

    async def listen(self) -> None:
        now = asyncio.get_running_loop().time
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                samples = len(message.data) // 2
                self.arrived.append(now())
                self.samples += samples
                self._received += samples
                self.heard_at = max(self.heard_at, now()) + samples / VOICE_HZ
            elif message.type is aiohttp.WSMsgType.TEXT:
                data = json.loads(message.data).get("data") or {}
                if data.get("type") == "avatar-begin":
                    self._utterance, self._received = data["utterance"], 0
                    self._begun_at = now()

    async def hear_room(self, room: bytes) -> None:
        """The microphone: a quiet room, over and over, and what is said."""
        now = asyncio.get_running_loop().time
        due = now()
        for quiet in itertools.cycle(_pieces(room)):
            piece = self._to_say.popleft() if self._to_say else quiet
            if np.abs(np.frombuffer(piece, np.int16)).max() > LOUD:
                self.spoke_at = now()
            await self._socket.send_bytes(piece)
            due += MICROPHONE_S
            await asyncio.sleep(due - now())

    async def say(self, pcm: bytes) -> float:
        """Say something; returns when its last loud piece has left."""
        self._to_say.extend(_pieces(pcm))
        while self._to_say:
            await asyncio.sleep(MICROPHONE_S)
        return self.spoke_at

    async def report(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(0.1)
            if self._utterance:
                played = min(self._received, int((now() - self._begun_at) * VOICE_HZ))
                await self.tell(
                    "client-message",
                    {"t": "avatar-played", "d": {"utterance": self._utterance, "samples": played}},
                )


@asynccontextmanager
async def listening(address: str, *, muted: bool = False) -> AsyncIterator[Listener]:
    """A session with a person who hears; the microphone is open unless it is muted."""
    headers = {"Origin": address}
    async with aiohttp.ClientSession() as http:
        body = {"transport": "websocket"}
        async with http.post(f"{address}/start", json=body, headers=headers) as answer:
            welcome = await answer.json()
        url, protocols = welcome["wsUrl"], ("avatarbot", f"ticket.{welcome['token']}")
        async with http.ws_connect(url, protocols=protocols, headers=headers) as socket:
            listener = Listener(socket)
            tasks = [
                asyncio.create_task(listener.listen()),
                asyncio.create_task(listener.report()),
            ]
            if not muted:
                tasks.append(asyncio.create_task(listener.hear_room(quiet_room())))
            try:
                await listener.tell("client-ready", {"version": "2.0.0"})
                yield listener
            finally:
                for task in tasks:
                    task.cancel()


def _pieces(pcm: bytes) -> list[bytes]:
    size = 2 * round(MICROPHONE_S * MICROPHONE_HZ)
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]


def quiet_room() -> bytes:
    """Ten seconds of faint noise."""
    noise = np.random.default_rng(1).normal(0, ROOM, 10 * MICROPHONE_HZ)
    return noise.astype(np.int16).tobytes()


async def settle(listeners: Sequence[Listener]) -> None:
    """Wait until nobody hears anything any more."""
    now = asyncio.get_running_loop().time
    while any(each.heard_at == 0 or now() < each.heard_at + QUIET_S for each in listeners):
        await asyncio.sleep(0.1)
