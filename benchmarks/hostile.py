"""What a quiet neighbour notices of others who mean no good, on the same server.

`uv run benchmarks/hostile.py [--runs 40] [--attack NAME …]`. One person types a question now and
then over a socket and waits for the first sound of the answer. For every attack there are as many
questions without it as with it, turn by turn in the same run, so that what else the machine does
falls on both sides alike. The attackers are a process of their own, behind the others in the queue
for the processor: elsewhere they would have one of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.figures import machine, summary  # noqa: E402
from tests.emulated.fuzzing import Fuzzer  # noqa: E402
from tests.emulated.serving import Call, Place, Server, calling, free_port, ticket  # noqa: E402
from tests.emulated.test_fuzz import pour  # noqa: E402

QUESTIONS_IN_A_ROW = 4
PAUSE_S = 0.7

Attack = Callable[[Place], Awaitable[None]]


async def one_wire(place: Place) -> ClientConnection:
    return await place.dial(await ticket(place))


async def crowd(place: Place) -> None:
    """Fifty at once; those who get in stay for a while and let the bot greet them."""
    tokens = [await ticket(place) for _ in range(50)]
    wires = await asyncio.gather(*map(place.dial, tokens), return_exceptions=True)
    got_in = [wire for wire in wires if isinstance(wire, ClientConnection)]
    with suppress(WebSocketException):
        for wire in got_in:
            await Call(wire).tell("client-ready", {"version": "2.0.0"})
    await asyncio.sleep(2)
    for wire in got_in:
        wire.transport.abort()


async def message_flood(place: Place) -> None:
    """Typed texts as fast as they go out."""
    wire = await one_wire(place)
    call = Call(wire)
    await call.tell("client-ready", {"version": "2.0.0"})
    with suppress(WebSocketException):
        while True:
            await call.say("Tell me a story")


async def ping_flood(place: Place) -> None:
    """Pings as fast as they go out, whose answers nobody reads."""
    wire = await one_wire(place)
    wire.transport.pause_reading()
    while not wire.transport.is_closing():
        wire.transport.write(b"\x89\x80\0\0\0\0" * 1_000)
        await asyncio.sleep(0.001)
        if wire.transport.get_write_buffer_size() > 1_000_000:
            wire.transport.abort()


async def audio_flood(place: Place) -> None:
    """A microphone at three times the rate, all the time."""
    wire = await one_wire(place)
    await Call(wire).tell("client-ready", {"version": "2.0.0"})
    with suppress(WebSocketException):
        while True:
            await wire.send(b"\x10\x20" * 960)
            await asyncio.sleep(0.02)


async def never_reads(place: Place) -> None:
    """Has a story told, and reads nothing of it."""
    async with calling(place) as call:
        await call.say("Tell me a story")
        call.wire.transport.pause_reading()
        await asyncio.sleep(20)
        call.wire.transport.abort()


async def vanishes(place: Place) -> None:
    """Is gone in the middle of a word, again and again."""
    wire = await one_wire(place)
    call = Call(wire)
    await call.tell("client-ready", {"version": "2.0.0"})
    await call.until_audible()
    wire.transport.abort()


async def large_texts(place: Place) -> None:
    """100 KB of text, again and again."""
    wire = await one_wire(place)
    call = Call(wire)
    await call.tell("client-ready", {"version": "2.0.0"})
    with suppress(WebSocketException):
        while True:
            await call.say("x" * 100_000)


async def fuzz(place: Place) -> None:
    """What `tests/emulated/test_fuzz.py` sends."""
    await pour(Fuzzer(time.monotonic_ns()), place, 100)


ATTACKS: dict[str, tuple[Attack, int]] = {
    "50 connections at once": (crowd, 1),
    "flood of texts": (message_flood, 2),
    "flood of pings, unread": (ping_flood, 2),
    "audio at three times the rate": (audio_flood, 2),
    "never reads": (never_reads, 2),
    "vanishes mid-word": (vanishes, 2),
    "100 KB of text": (large_texts, 2),
    "fuzzed inputs": (fuzz, 2),
}
"""Each with how many of them there are."""


async def again_and_again(attack: Attack, place: Place) -> None:
    while True:
        with suppress(OSError, WebSocketException, TimeoutError):
            await attack(place)
        await asyncio.sleep(0.01)


async def ask(call: Call) -> float:
    """Milliseconds from a typed text to the first sound of its answer."""
    began = time.perf_counter()
    await call.say("What is your name?")
    await call.until_audible()
    waited = 1_000 * (time.perf_counter() - began)
    await asyncio.sleep(PAUSE_S)
    return waited


async def attack(name: str, port: int) -> None:
    """The attackers' process: begins on a line that comes in, ends when it is ended."""
    os.nice(10)
    place = Place(f"http://localhost:{port}", port)
    print("here", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    what, many = ATTACKS[name]
    await asyncio.gather(*(again_and_again(what, place) for _ in range(many)))


@asynccontextmanager
async def attackers(name: str, port: int) -> AsyncIterator[Callable[[], None]]:
    """Attackers that wait for the call that is yielded."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--attack", name, "--port", str(port)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield lambda: process.stdin.write(b"go\n") if process.stdin else None
    finally:
        process.kill()
        await process.wait()


async def compare(place: Place, name: str, runs: int) -> tuple[list[float], list[float]]:
    quiet: list[float] = []
    loud: list[float] = []
    async with calling(place) as neighbour:
        while len(loud) < runs:
            async with attackers(name, place.port) as begin:
                quiet += [await ask(neighbour) for _ in range(QUESTIONS_IN_A_ROW)]
                begin()
                await asyncio.sleep(PAUSE_S)
                loud += [await ask(neighbour) for _ in range(QUESTIONS_IN_A_ROW)]
            await asyncio.sleep(2 * PAUSE_S)
    return quiet, loud


def p95(values: list[float]) -> float:
    return sorted(values)[round(0.95 * (len(values) - 1))]


async def main(runs: int, names: list[str]) -> None:
    print(machine())
    with tempfile.TemporaryDirectory() as state:
        port = free_port()
        server = Server(
            "bot.py", "--port", str(port), GREETING="Hello.", XDG_STATE_HOME=state
        ).opened()
        place = Place(f"http://localhost:{port}", port)
        try:
            for name in names:
                quiet, loud = await compare(place, name, runs)
                print(summary(f"{name}: without", quiet))
                print(summary(f"{name}: with", loud), f" p95 {p95(loud) - p95(quiet):+.0f} ms")
        finally:
            print(server.vitals(), f"{len(server.errors)} lines logged")
            server.stop()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=40, help="questions each (%(default)s)")
    arguments.add_argument("--attack", nargs="*", choices=ATTACKS, default=list(ATTACKS))
    arguments.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.port:
        asyncio.run(attack(given.attack[0], given.port))
    else:
        asyncio.run(main(given.runs, given.attack))
