"""How soon ZEGO's digital human is told what to say: `uv run benchmarks/zego.py`.

One conversation with the emulator in a process of its own, whose calls take 200 ms. In each turn
the person answers so long after the avatar fell silent, and the first sound of the next answer is
followed from the TTS to the vendor's door. Once callbacks tell how a drive goes, once the page
does, which hears it in the room up to 50 ms later, and once nobody does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
from loguru import logger
from pipecat.workers.runner import WorkerRunner

from benchmarks.figures import machine, summary
from tests.emulated.contract.stage import Bot, pieces, reply, voice
from tests.emulated.contract.zego import receiving
from transports.avatar.journal import Journal
from transports.zego import Callbacks, ZegoVendor

ROOT = Path(__file__).parents[1]
APP_ID = 1234567890
SERVER_SECRET, CALLBACK_SECRET = "SECRET-zego-server-secret-012345", "SECRET-zego-callback-secret"
LOOK_S = 0.05
PIECE_S = 0.02 / 5
AT_HAND_MS = 50.0
"""A first sound that took no longer has waited for no round trip."""

Teller = Literal["callbacks", "the page"]
"""Who tells how drives go."""


class Vendor:
    """Asks the emulator what came."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http

    async def ask(self, path: str, **query: Any) -> dict[str, Any]:
        async with self._http.get(f"{self.url}/_emulator/{path}", params=query) as reply:
            return await reply.json()

    async def turn(self, **knobs: Any) -> None:
        """Have it behave otherwise."""
        async with self._http.post(f"{self.url}/_emulator/script", json={"knobs": knobs}) as reply:
            assert reply.status == 200, await reply.text()

    async def first_sound_at(self, since: float) -> float:
        while True:
            messages = (await self.ask("messages", kind="pcm", since=since))["received"]
            if messages:
                return messages[0]["at"]
            await asyncio.sleep(LOOK_S)

    async def silent_at(self, turns: int) -> float:
        """When the last of so many answers was heard to its end."""
        while True:
            for row in (await self.ask("sessions"))["sessions"]:
                said = (await self.ask(f"sessions/{row['id']}"))["utterances"]
                if len(said) >= turns and all(each["ended_at"] for each in said):
                    last = said[-1]["segments"][-1]
                    return last["at"] + last["samples"] / 24_000
            await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def emulated(latency_ms: int, callback_url: str) -> AsyncIterator[Vendor]:
    """Runs `python -m emulators.zego` while the block runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "emulators.zego", "--rest-latency-ms", str(latency_ms)),
        *("--callback-url", callback_url),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().split()[-1]
        async with aiohttp.ClientSession() as http:
            yield Vendor(url, http)
    finally:
        process.terminate()
        await process.wait()


async def relay(vendor: Vendor, bot: Bot) -> None:
    """What the page does with what is said in the room: it hands on how drives go."""
    draw, since = random.Random(1), 0.0
    while True:
        await asyncio.sleep(draw.uniform(0, LOOK_S))
        for room in bot.vendor.rooms:
            said = await vendor.ask(f"rooms/{room}", since=since)
            since = said["now"]
            for message in said["messages"]:
                drive = json.loads(message["content"])["Data"]
                hint = {"drive_id": drive["DriveId"], "status": drive["Status"]}
                bot.transport.page_says("avatar-drive", hint)


async def say(bot: Bot, pcm: bytes) -> float:
    """At five times the speed of speech; returns when the first sound was there."""
    now = asyncio.get_running_loop().time
    begin, started, *audio, stopped, end = reply(pieces(pcm))
    await bot.push(begin, started)
    await asyncio.sleep(PIECE_S)
    asked = now()
    for number, piece in enumerate(audio):
        await bot.push(piece)
        await asyncio.sleep(max(0.0, asked + (number + 1) * PIECE_S - now()))
    await bot.push(stopped, end)
    await asyncio.sleep(0.2)  # whoever asks the emulator keeps it from listening
    return asked


async def measure(
    turns: int, pause_s: float, latency_ms: int, *, told_by: Teller | None
) -> list[float]:
    """For each turn: from the first frame of the TTS to the vendor's door, in milliseconds."""
    tells = told_by == "callbacks"
    now = asyncio.get_running_loop().time
    vendors: list[ZegoVendor] = []
    callbacks = [Callbacks(APP_ID, CALLBACK_SECRET)]
    waits: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        async with (
            receiving(vendors, callbacks) as url,
            emulated(latency_ms, url if tells else "") as vendor,
        ):
            ours = ZegoVendor(
                app_id=APP_ID,
                server_secret=SERVER_SECRET,
                tells=tells,
                journal=Journal(Path(folder)),
                api_url=vendor.url,
            )
            vendors.append(ours)
            bot = Bot(ours, None, 15.0)  # type: ignore[arg-type]
            runner = WorkerRunner(handle_sigint=False)
            await runner.add_workers(bot.worker)
            run = asyncio.create_task(runner.run())
            relaying = asyncio.create_task(relay(vendor, bot)) if told_by == "the page" else None
            for turn in range(turns + 1):
                asked = await say(bot, voice(0.4, turn))
                came = await vendor.first_sound_at(asked)
                if turn:  # the first one waits for the vendor to be there
                    waits.append(1_000 * (came - asked))
                silent = await vendor.silent_at(turn + 1)
                await asyncio.sleep(silent + pause_s - now())
            if relaying:
                relaying.cancel()
            await bot.worker.cancel()
            await run
    return waits


async def main(turns: int, pause_s: float, latency_ms: int) -> None:
    print(machine())
    tellers: tuple[Teller | None, ...] = ("callbacks", "the page", None)
    for told_by in tellers:
        name = f"told by {told_by}" if told_by else "told nothing"
        waits = await measure(turns, pause_s, latency_ms, told_by=told_by)
        at_hand = [each for each in waits if each <= AT_HAND_MS]
        print(f"{name}: a drive was reserved in {len(at_hand)} of {len(waits)} turns")
        print(summary("  first sound, reserved, µs", [1_000 * each for each in at_hand], "µs"))
        print(summary("  first sound, all", waits))


if __name__ == "__main__":
    parsing = argparse.ArgumentParser(description=__doc__)
    parsing.add_argument("--turns", type=int, default=100)
    parsing.add_argument("--pause-s", type=float, default=0.3, help="silence → next answer")
    parsing.add_argument("--latency-ms", type=int, default=200, help="of a call, there and back")
    given = parsing.parse_args()
    logger.remove()
    asyncio.run(main(given.turns, given.pause_s, given.latency_ms))
