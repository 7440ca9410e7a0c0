"""When a conversation ends by itself, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from session.lifetime import ABSENCE_S, JOINING_S, Ending, Lifetime

LONGEST_S = 1_000.0

pytestmark = pytest.mark.asyncio


class Endings:
    def __init__(self) -> None:
        self.seen: list[tuple[float, Ending]] = []
        self.lifetime = Lifetime(self._end, longest_s=LONGEST_S)
        self.lifetime.begin()

    async def _end(self, why: Ending) -> None:
        self.seen.append((asyncio.get_running_loop().time(), why))


async def test_it_ends_at_its_longest_time() -> None:
    endings = Endings()
    endings.lifetime.came("a")
    await asyncio.sleep(2 * LONGEST_S)
    assert endings.seen == [(LONGEST_S, Ending.LONGEST_TIME)]


async def test_it_ends_when_nobody_comes() -> None:
    endings = Endings()
    await asyncio.sleep(2 * LONGEST_S)
    assert endings.seen == [(JOINING_S, Ending.NOBODY_CAME)]


async def test_it_ends_when_the_last_one_stays_away() -> None:
    endings = Endings()
    endings.lifetime.came("a")
    endings.lifetime.came("b")
    endings.lifetime.left("a")
    await asyncio.sleep(2 * ABSENCE_S)
    assert endings.seen == []
    endings.lifetime.left("b")
    left_at = asyncio.get_running_loop().time()
    await asyncio.sleep(2 * ABSENCE_S)
    assert endings.seen == [(left_at + ABSENCE_S, Ending.NOBODY_THERE)]


async def test_who_comes_back_in_time_goes_on() -> None:
    endings = Endings()
    endings.lifetime.came("a")
    endings.lifetime.left("a")
    await asyncio.sleep(ABSENCE_S - 1)
    endings.lifetime.came("a")
    await asyncio.sleep(5 * ABSENCE_S)
    assert endings.seen == []


async def test_what_is_closed_rings_no_more() -> None:
    endings = Endings()
    endings.lifetime.close()
    await asyncio.sleep(2 * LONGEST_S)
    assert endings.seen == []


async def test_it_can_be_shortened_and_not_lengthened() -> None:
    endings = Endings()
    endings.lifetime.came("a")
    await asyncio.sleep(100)
    endings.lifetime.shorten(50)
    endings.lifetime.shorten(500)
    await asyncio.sleep(2 * LONGEST_S)
    assert endings.seen == [(150, Ending.LONGEST_TIME)]
    endings.lifetime.shorten(1)
    await asyncio.sleep(2)
    assert len(endings.seen) == 1
