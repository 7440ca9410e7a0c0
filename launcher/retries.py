"""Trying again, with pauses that grow."""

from __future__ import annotations

import itertools
from asyncio import sleep
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from loguru import logger

from transports.avatar import JournalUnusable

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 60.0
"""Between two tries; each pause is twice the one before."""

T = TypeVar("T")


def pauses_s() -> Iterator[float]:
    """How long to wait before each next try, in seconds; without end."""
    for doubled in itertools.count():
        yield min(FIRST_PAUSE_S * 2 ** min(doubled, 10), LONGEST_PAUSE_S)


async def insist(work: Callable[[], Awaitable[T]]) -> T:
    """What the journal is asked for, once it can be used."""
    for tries, pause_s in enumerate(pauses_s()):
        try:
            return await work()
        except JournalUnusable as error:
            if not tries:
                logger.error(f"{error}; it is tried again")
        await sleep(pause_s)
    raise AssertionError("pauses do not end")
