"""The same key gets the same answer."""

from __future__ import annotations

import asyncio

import pytest

from launcher.idempotency import KEPT_S, Answers, KeyReused

pytestmark = pytest.mark.asyncio


class Maker:
    """Counts what is made, and can be slow or fail."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.made = 0
        self.takes_s = takes_s
        self.error: Exception | None = None

    async def __call__(self) -> int:
        await asyncio.sleep(self.takes_s)
        self.made += 1
        if self.error:
            raise self.error
        return self.made


def answers() -> Answers[int]:
    return Answers(is_good=lambda answer: answer > 0)


async def test_same_key_and_request_get_the_first_answer() -> None:
    kept, make = answers(), Maker()
    assert await kept.once("a", "k", b"x", make) == 1
    assert await kept.once("a", "k", b"x", make) == 1
    assert await kept.once("a", "other", b"x", make) == 2
    assert await kept.once("b", "k", b"y", make) == 3


async def test_key_with_another_request_is_refused_even_while_the_first_is_made() -> None:
    kept, make = answers(), Maker(takes_s=1)
    first = asyncio.create_task(kept.once("a", "k", b"x", make))
    await asyncio.sleep(0.5)
    with pytest.raises(KeyReused):
        await kept.once("a", "k", b"y", make)
    assert await first == 1


async def test_who_asked_first_may_go_away() -> None:
    kept, make = answers(), Maker(takes_s=1)
    first = asyncio.create_task(kept.once("a", "k", b"x", make))
    await asyncio.sleep(0.5)
    first.cancel()
    assert await kept.once("a", "k", b"x", make) == 1


async def test_failure_is_not_kept() -> None:
    kept, make = answers(), Maker()
    make.error = ValueError("no")
    with pytest.raises(ValueError, match="no"):
        await kept.once("a", "k", b"x", make)
    make.error = None
    assert await kept.once("a", "k", b"y", make) == 2


async def test_answer_that_does_not_hold_any_more_is_made_anew() -> None:
    living = {1}
    kept, make = Answers[int](is_good=lambda answer: answer in living), Maker()
    assert await kept.once("a", "k", b"x", make) == 1
    living.clear()
    assert await kept.once("a", "k", b"x", make) == 2


async def test_after_ten_minutes_it_is_another_request() -> None:
    kept, make = answers(), Maker()
    await kept.once("a", "k", b"x", make)
    await asyncio.sleep(KEPT_S)
    assert await kept.once("a", "k", b"y", make) == 2
