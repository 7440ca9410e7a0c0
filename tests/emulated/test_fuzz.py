"""Thousands of inputs that nobody sane sends, at the real bot over real sockets.

The seed is fixed; `FUZZ_SEED=7 uv run pytest --long tests/emulated/test_fuzz.py` takes another one.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from loguru import logger
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.emulated.fuzzing import CANARY, Fuzzer, seeds
from tests.emulated.serving import DEADLINE_S, Place, Server, Vitals, calling, free_port, ticket

SIDE_BY_SIDE = 4
IN_A_SESSION = 60
SEED = int(os.environ.get("FUZZ_SEED", "1"))

MORE_MB, MORE_FILES, MORE_THREADS = 250, 2, 24
"""What the process may hold after the second half of it more than after the first."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(
        *("bot.py", "--port", str(free_port())), GREETING="Hello.", XDG_STATE_HOME=str(tmp_path)
    )
    yield server
    server.stop()


async def http(fuzzer: Fuzzer, place: Place) -> None:
    """One request, and what may be read of its answer."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
    except OSError:
        return  # the system's queue is full for a moment
    try:
        for piece in fuzzer.pieces(fuzzer.request(place.host, place.origin)):
            writer.write(piece)
            await writer.drain()
        if fuzzer.decide(0.3):
            writer.write_eof()
            await asyncio.wait_for(reader.read(100), DEADLINE_S)
        elif fuzzer.decide(0.3):
            # Closed with a reset, as by a process that is killed.
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    except OSError:
        pass  # refused in the middle of it
    finally:
        writer.transport.abort()


async def session(fuzzer: Fuzzer, place: Place, inputs: int) -> None:
    """One WebSocket with so many messages, the last of which is no message."""
    try:
        async with asyncio.timeout(DEADLINE_S), place.dial(await ticket(place)) as wire:
            for _ in range(inputs - 1):
                await wire.send(fuzzer.message())
            wire.transport.write(fuzzer.frame())
            if fuzzer.decide(0.5):
                wire.transport.write(fuzzer.frame())
            if fuzzer.decide(0.5):
                wire.transport.abort()
            elif fuzzer.decide(0.5):
                wire.transport.write_eof()
    except (ConnectionClosed, InvalidStatus):
        pass  # it had enough, or every place was taken


async def pour(fuzzer: Fuzzer, place: Place, inputs: int) -> None:
    while inputs > 0:
        if fuzzer.decide(0.01):
            many = min(inputs, IN_A_SESSION)
            await session(fuzzer, place, many)
            inputs -= many
        else:
            await http(fuzzer, place)
            inputs -= 1


async def settled(server: Server, before: Vitals) -> Vitals:
    """Waits until files and threads are back; returns what is held then."""
    now = server.vitals()
    async with asyncio.timeout(2 * DEADLINE_S):
        while now.files > before.files + MORE_FILES or now.threads > before.threads + MORE_THREADS:
            await asyncio.sleep(0.05)
            now = server.vitals()
    return now


@pytest.mark.parametrize("inputs", [400, pytest.param(10_000, marks=pytest.mark.long)])
@pytest.mark.asyncio
async def test_it_serves_on_and_nothing_is_left_behind(server: Server, inputs: int) -> None:
    await asyncio.to_thread(server.opened)
    address = server.output[0].split()[3]
    place = Place(address, int(address.rpartition(":")[2]))
    idle = server.vitals()
    fuzzers = [Fuzzer(seed) for seed in seeds(SEED, SIDE_BY_SIDE)]
    share = inputs // SIDE_BY_SIDE // 2
    await asyncio.gather(*(pour(each, place, share) for each in fuzzers))
    before = await settled(server, idle)
    await asyncio.gather(*(pour(each, place, share) for each in fuzzers))
    assert server.process.poll() is None, f"it died: {server.log[-2_000:]}"
    async with calling(place) as call:
        await call.answer_to("My name is Anna")
        assert "Anna" in await call.answer_to("What is my name?")
    after = await settled(server, before)
    logger.info(f"before: {before}, after: {after}, {len(server.errors)} lines logged")
    assert after.resident_mb < before.resident_mb + MORE_MB
    for word in ("Traceback", " ERROR ", " CRITICAL "):
        assert word not in server.log, server.log[max(0, server.log.index(word) - 500) :][:3_000]
    assert CANARY not in server.log
    assert "eyJ" not in server.log, "a ticket was logged"
    assert len(server.log) < 100 * inputs
