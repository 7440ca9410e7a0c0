"""What is kept of a conversation, for whom, and for how long."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from session.memory import HANDOVER_S, MOST, Conversation, Memory

pytestmark = pytest.mark.asyncio


class Talk:
    """A conversation of one connection, in a memory."""

    def __init__(self, memory: Memory[str], session: str = "a") -> None:
        self.said: list[str] = []
        self.stubborn = False
        self._life = ExitStack()
        conversation = Conversation(lambda: list(self.said), self._end)
        self._life.enter_context(memory.open(session, conversation))

    async def _end(self) -> None:
        if not self.stubborn:
            self.said.append("heard of the last answer")
            self.breaks()

    def breaks(self) -> None:
        self._life.close()


def memory() -> Memory[str]:
    return Memory(now=asyncio.get_running_loop().time, kept_s=90)


async def test_what_broke_is_recalled_once() -> None:
    kept = memory()
    talk = Talk(kept)
    talk.said.append("hello")
    talk.breaks()
    assert await kept.recall("b") is None
    assert await kept.recall("a") == ["hello"]
    assert await kept.recall("a") is None


async def test_a_connection_that_only_seems_open_is_taken_over() -> None:
    kept = memory()
    Talk(kept).said.append("hello")
    assert await kept.recall("a") == ["hello", "heard of the last answer"]
    later = Talk(kept)
    later.said.append("again")
    assert await kept.recall("a") == ["again", "heard of the last answer"]


async def test_the_end_of_the_old_connection_does_not_touch_the_new_one() -> None:
    kept = memory()
    old = Talk(kept)
    await kept.recall("a")
    new = Talk(kept)
    new.said.append("hello")
    old.breaks()
    new.breaks()
    assert await kept.recall("a") == ["hello"]


async def test_a_connection_that_does_not_end_is_not_waited_for_long() -> None:
    kept = memory()
    talk = Talk(kept)
    talk.stubborn = True
    talk.said.append("hello")
    assert await kept.recall("a") == ["hello"]
    assert asyncio.get_running_loop().time() == pytest.approx(HANDOVER_S)


async def test_a_conversation_is_forgotten_in_time() -> None:
    kept = memory()
    Talk(kept).breaks()
    await asyncio.sleep(90)
    assert await kept.recall("a") is None


async def test_the_one_that_broke_first_goes_when_there_are_too_many() -> None:
    kept = memory()
    for number in reversed(range(MOST + 1)):
        Talk(kept, str(number)).breaks()
    assert await kept.recall(str(MOST)) is None
    assert await kept.recall("0") == []


async def test_where_there_is_no_session_nothing_is_kept() -> None:
    kept = memory()
    with kept.open(None, Conversation(lambda: ["hello"], asyncio.Event().wait)):
        pass
    assert await kept.recall("None") is None
