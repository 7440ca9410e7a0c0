"""How long a session takes to be ready, with the launcher and as a cold `python bot.py` each.

`uv run benchmarks/starting.py [--runs 15] [--burst 10]`. Ready is when the bot says so
(`bot-ready`) over the person's own WebSocket; asked is when the process is started, or `POST
/start` sent. Both kinds take turns. CPU is that of the session's process until then, and for the
launcher its own and its zygote's besides. Memory is what the process has for itself.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp

from benchmarks.cpu import cpu_s
from benchmarks.figures import machine, summary
from benchmarks.listener import serving
from launcher.memory import private_mb
from tests.emulated.processes import children

SETTLED_S = 1.0


@dataclass(frozen=True, slots=True)
class Start:
    """One session's start: seconds, CPU seconds, megabytes."""

    ready_s: float
    cpu_s: float
    private_mb: float


def descendants(pid: int) -> list[int]:
    """The processes that one has started, and those that they have."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


@asynccontextmanager
async def ready(http: aiohttp.ClientSession, address: str) -> AsyncIterator[None]:
    """A session that is ready."""
    headers = {"Origin": address}
    wish = {"transport": "websocket"}
    async with http.post(f"{address}/start", json=wish, headers=headers) as answer:
        answer.raise_for_status()
        welcome = await answer.json()
    protocols = ("avatarbot", f"ticket.{welcome['token']}")
    async with http.ws_connect(welcome["wsUrl"], protocols=protocols, headers=headers) as socket:
        hello = {
            "label": "rtvi-ai",
            "type": "client-ready",
            "id": "1",
            "data": {"version": "2.0.0"},
        }
        await socket.send_json(hello)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT and message.json()["type"] == "bot-ready":
                break
        yield


async def cold(http: aiohttp.ClientSession, stay: AsyncExitStack) -> Start:
    """A process of its own for the session, from nothing."""
    now = asyncio.get_running_loop().time
    asked_at = now()
    address, process = await stay.enter_async_context(serving("bot.py", stderr=-3))
    await stay.enter_async_context(ready(http, address))
    ready_s, spent = now() - asked_at, cpu_s(process.pid)
    await asyncio.sleep(SETTLED_S)
    return Start(ready_s, spent, private_mb(process.pid))


class Launched:
    """Sessions of a running launcher."""

    def __init__(self, address: str, pid: int) -> None:
        self._address = address
        self._pid = pid
        self._seen: set[int] = set()

    async def start(self, http: aiohttp.ClientSession, stay: AsyncExitStack) -> Start:
        now = asyncio.get_running_loop().time
        before = set(descendants(self._pid))
        others = sum(cpu_s(each) for each in (self._pid, *before))
        asked_at = now()
        await stay.enter_async_context(ready(http, self._address))
        ready_s = now() - asked_at
        mine = next(each for each in descendants(self._pid) if each not in before | self._seen)
        self._seen.add(mine)
        spent = cpu_s(mine) + sum(cpu_s(each) for each in (self._pid, *before)) - others
        await asyncio.sleep(SETTLED_S)
        return Start(ready_s, spent, private_mb(mine))


def tell(name: str, starts: list[Start]) -> None:
    print(summary(f"{name}: asked → ready", [1_000 * each.ready_s for each in starts]))
    print(summary(f"{name}: CPU to ready", [1_000 * each.cpu_s for each in starts]))
    print(summary(f"{name}: private memory", [each.private_mb for each in starts], "MB"))


def ratios(colds: list[Start], launched: list[Start]) -> None:
    of: dict[str, Callable[[Start], float]] = {
        "asked → ready": lambda each: each.ready_s,
        "CPU to ready": lambda each: each.cpu_s,
        "private memory": lambda each: each.private_mb,
    }
    for name, value in of.items():
        pairs = [value(a) / value(b) for a, b in zip(colds, launched, strict=True) if value(b)]
        print(
            f"cold / launcher, {name:<16} {statistics.median(pairs):5.1f}"
            f" ({min(pairs):.1f}…{max(pairs):.1f})"
        )


async def main(runs: int, burst: int) -> None:
    print(machine())
    async with AsyncExitStack() as everything:
        http = await everything.enter_async_context(aiohttp.ClientSession())
        address, process = await everything.enter_async_context(
            serving("-m", "launcher", stderr=-3)
        )
        launcher = Launched(address, process.pid)
        colds, launched = list[Start](), list[Start]()
        for _ in range(runs):
            for start, starts in ((cold, colds), (launcher.start, launched)):
                async with AsyncExitStack() as stay:
                    starts.append(await start(http, stay))
        tell("cold", colds)
        tell("launcher", launched)
        ratios(colds, launched)
        for name, start in (("cold", cold), ("launcher", launcher.start)):
            async with AsyncExitStack() as stay:
                stays = [await stay.enter_async_context(AsyncExitStack()) for _ in range(burst)]
                began = asyncio.get_running_loop().time()
                found = await asyncio.gather(*(start(http, each) for each in stays))
                took = asyncio.get_running_loop().time() - began - SETTLED_S
            per_session = statistics.median(each.ready_s for each in found)
            print(
                f"{name}: {burst} at once, all ready after {took:.2f} s, median {per_session:.2f} s"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--burst", type=int, default=10)
    given = parser.parse_args()
    asyncio.run(main(given.runs, given.burst))
