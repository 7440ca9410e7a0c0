"""Whether anything is left behind: many sessions in one process, and one long conversation.

`uv run benchmarks/soak.py [--sessions 200] [--minutes 60]`. Tasks, sockets, files and threads of
the bot must be at the end what they were after the first few sessions; memory is reported as a
slope. Garbage is collected before each look, so that only what is held counts.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import machine
from benchmarks.listener import listening, serving, settle

AT_ONCE = 6
WARM_UP = 20  # sessions until caches and pools are as full as they get
TEXTS = ("What is your name?", "Tell me a joke", "What time is it?", "Tell me a story")
LOOK_S = 60.0


class Bot:
    """The process under watch."""

    def __init__(self, address: str, process: asyncio.subprocess.Process) -> None:
        self.address = address
        self._process = process

    async def held(self) -> dict[str, float]:
        """What the process holds now."""
        assert self._process.stderr is not None
        os.kill(self._process.pid, signal.SIGUSR1)
        while True:
            line = (await self._process.stderr.readline()).decode()
            assert line, "the bot has ended"
            if line.startswith("HELD "):
                held: dict[str, float] = json.loads(line.removeprefix("HELD "))
                return held


@asynccontextmanager
async def running() -> AsyncIterator[Bot]:
    async with serving("benchmarks/soak_bot.py", stderr=-1, limit=2**20) as (address, process):
        yield Bot(address, process)


async def visit(bot: Bot, draw: random.Random) -> None:
    """Somebody comes, types, hears some of the answer, and leaves: politely, or in mid-word."""
    async with listening(bot.address) as listener:
        await listener.tell("send-text", {"content": draw.choice(TEXTS)})
        await asyncio.sleep(draw.uniform(0.5, 4))
        if draw.random() < 0.5:
            await listener.tell("disconnect-bot", {})


async def many(bot: Bot, sessions: int) -> None:
    draw = random.Random(1)
    looks: list[dict[str, float]] = []
    for begun in range(0, sessions, AT_ONCE):
        await asyncio.gather(*(visit(bot, draw) for _ in range(AT_ONCE)))
        if begun >= WARM_UP:
            await asyncio.sleep(1.0)  # what a session holds ends a moment after its socket
            looks.append(await bot.held())
            if len(looks) % 5 == 1:
                print(begun + AT_ONCE, looks[-1], flush=True)
    report(looks, "session", AT_ONCE)


async def long_one(bot: Bot, minutes: float) -> None:
    now = asyncio.get_running_loop().time
    looks: list[dict[str, float]] = []
    async with listening(bot.address) as listener:
        await settle([listener])
        ends, look_at = now() + 60 * minutes, now() + LOOK_S
        for text in itertools.cycle(TEXTS):
            if now() > ends:
                break
            listener.heard_at = now()
            await listener.tell("send-text", {"content": text})
            await settle([listener])
            if now() >= look_at:
                look_at += LOOK_S
                looks.append(await bot.held())
                if len(looks) % 5 == 1:
                    print(f"{len(looks)} min", looks[-1], flush=True)
    report(looks, "minute", 1)


def report(looks: list[dict[str, float]], unit: str, per_look: int) -> None:
    for name in ("tasks", "sockets", "files", "threads"):
        values = [look[name] for look in looks]
        print(f"  {name}: first {values[0]:.0f}, last {values[-1]:.0f}, most {max(values):.0f}")
    rss = [look["rss_mb"] for look in looks]
    slope = np.polyfit(np.arange(len(rss)) * per_look, rss, 1)[0]
    half = len(rss) // 2
    later = np.polyfit(np.arange(len(rss) - half) * per_look, rss[half:], 1)[0]
    print(f"  memory: {rss[0]} to {rss[-1]} MB, {1_000 * slope:.0f} kB a {unit}, ", end="")
    print(f"in the second half {1_000 * later:.0f} kB", flush=True)


async def main(sessions: int, minutes: float) -> None:
    print(machine())
    if sessions:
        async with running() as bot:
            print(f"{sessions} sessions, {AT_ONCE} at once:", flush=True)
            await many(bot, sessions)
    if minutes:
        async with running() as bot:
            print(f"one conversation of {minutes:g} minutes:", flush=True)
            await long_one(bot, minutes)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sessions", type=int, default=200, help="(%(default)s)")
    arguments.add_argument("--minutes", type=float, default=60, help="(%(default)s)")
    options = arguments.parse_args()
    asyncio.run(main(options.sessions, options.minutes))
