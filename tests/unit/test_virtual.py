"""The clock that the other unit tests rely on."""

import asyncio
import threading
import time

import pytest

from tests.unit.virtual import VirtualLoop


@pytest.mark.asyncio
async def test_an_hour_passes_at_once() -> None:
    began = time.monotonic()
    await asyncio.sleep(3600)
    assert asyncio.get_running_loop().time() == pytest.approx(3600)
    assert time.monotonic() - began < 5


@pytest.mark.asyncio
async def test_timers_fire_in_their_order() -> None:
    loop, fired = asyncio.get_running_loop(), []
    for delay in (0.3, 0.1, 0.2):
        loop.call_later(delay, fired.append, delay)
    await asyncio.sleep(1)
    assert fired == [0.1, 0.2, 0.3]


@pytest.mark.asyncio
async def test_clock_stands_still_while_a_thread_works() -> None:
    release = threading.Event()
    timer = asyncio.get_running_loop().call_later(5, release.set)
    threading.Timer(0.05, release.set).start()
    async with asyncio.timeout(60):
        await asyncio.to_thread(release.wait, 10)
    assert asyncio.get_running_loop().time() == 0
    timer.cancel()


@pytest.mark.real_loop
@pytest.mark.asyncio
async def test_marker_gives_the_real_loop() -> None:
    assert not isinstance(asyncio.get_running_loop(), VirtualLoop)
