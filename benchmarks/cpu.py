"""What the face costs: CPU of the bot with four speaking sessions, with and without the avatar.

`uv run benchmarks/cpu.py [--runs 20] [--muted]`. Both bots count to twenty for the same four
clients, in turn. The figure is the process's CPU time from the question until the last word was
heard, per minute of speech, and the ratio pair by pair. Microphones are open and hear a quiet
room, as in a conversation, so that VAD and STT work too; `--muted` leaves only the voice's way.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.figures import machine, summary  # noqa: E402
from tests.browser.visit import free_port  # noqa: E402

SESSIONS = 4
VOICE_HZ = 24_000
MICROPHONE_HZ = 16_000
MICROPHONE_S = 0.02  # of sound in each message, as the page sends it
ROOM = 30  # root mean square of a quiet room, of 32,767
QUIET_S = 2.0  # after so much silence the story is over
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@asynccontextmanager
async def serving(script: str) -> AsyncIterator[tuple[str, int]]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, "--port", str(port), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield f"http://localhost:{port}", process.pid
    finally:
        process.terminate()
        await process.wait()


class Listener:
    """A page without a screen: it hears in real time, and says how far it is."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.samples = 0
        self.heard_at = 0.0  # when all that came so far was heard
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
                self.samples += samples
                self._received += samples
                self.heard_at = max(self.heard_at, now()) + samples / VOICE_HZ
            elif message.type is aiohttp.WSMsgType.TEXT:
                data = json.loads(message.data).get("data") or {}
                if data.get("type") == "avatar-begin":
                    self._utterance, self._received = data["utterance"], 0
                    self._begun_at = now()

    async def hear_room(self, room: bytes) -> None:
        """The microphone: a quiet room, over and over."""
        now = asyncio.get_running_loop().time
        size = 2 * round(MICROPHONE_S * MICROPHONE_HZ)
        due = now()
        for start in itertools.cycle(range(0, len(room), size)):
            await self._socket.send_bytes(room[start : start + size])
            due += MICROPHONE_S
            await asyncio.sleep(due - now())

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


def quiet_room() -> bytes:
    """Ten seconds of faint noise."""
    noise = np.random.default_rng(1).normal(0, ROOM, 10 * MICROPHONE_HZ)
    return noise.astype(np.int16).tobytes()


async def one_run(address: str, pid: int, *, muted: bool) -> float:
    """CPU seconds per minute of speech."""
    room = quiet_room()
    now = asyncio.get_running_loop().time
    headers = {"Origin": address}
    async with aiohttp.ClientSession() as http:
        listeners: list[Listener] = []
        tasks: list[asyncio.Task[None]] = []
        for _ in range(SESSIONS):
            body = {"transport": "websocket"}
            async with http.post(f"{address}/start", json=body, headers=headers) as answer:
                start = await answer.json()
            protocols = ("avatarbot", f"ticket.{start['token']}")
            socket = await http.ws_connect(start["wsUrl"], protocols=protocols, headers=headers)
            listener = Listener(socket)
            listeners.append(listener)
            tasks += [
                asyncio.create_task(listener.listen()),
                asyncio.create_task(listener.report()),
            ]
            if not muted:
                tasks.append(asyncio.create_task(listener.hear_room(room)))
            await listener.tell("client-ready", {"version": "2.0.0"})
        await settle(listeners)
        before, samples = cpu_s(pid), sum(each.samples for each in listeners)
        began = now()
        for listener in listeners:
            listener.heard_at = began
            await listener.tell("send-text", {"content": "Count to twenty"})
        await settle(listeners)
        spent = cpu_s(pid) - before
        minutes = (sum(each.samples for each in listeners) - samples) / VOICE_HZ / 60
        for task in tasks:
            task.cancel()
    return spent / minutes


async def settle(listeners: list[Listener]) -> None:
    """Wait until nobody hears anything any more."""
    now = asyncio.get_running_loop().time
    while any(each.heard_at == 0 or now() < each.heard_at + QUIET_S for each in listeners):
        await asyncio.sleep(0.1)


async def main(runs: int, *, muted: bool) -> None:
    print(machine())
    figures: dict[str, list[float]] = {"bot.py": [], "benchmarks/without_avatar.py": []}
    for run in range(runs):
        for script, values in figures.items():
            async with serving(script) as (address, pid):
                values.append(1_000 * await one_run(address, pid, muted=muted))
        print(f"run {run + 1}:", {s: round(v[-1]) for s, v in figures.items()}, flush=True)
    with_face, without = figures.values()
    for script, values in figures.items():
        print(summary(script, values, "ms of CPU per minute of speech"))
    ratios = [a / b for a, b in zip(with_face, without, strict=True)]
    print(f"ratio: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=20, help="pairs (%(default)s)")
    arguments.add_argument("--muted", action="store_true", help="no microphones")
    options = arguments.parse_args()
    asyncio.run(main(options.runs, muted=options.muted))
