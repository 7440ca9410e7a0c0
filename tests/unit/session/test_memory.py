"""What is kept of a conversation whose connection broke."""

from __future__ import annotations

from session.memory import MOST, Memory


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_conversation_is_recalled_once() -> None:
    memory: Memory[str] = Memory(now=Clock())
    said = ["hello"]
    memory.keep("a", said)
    said.append("what was said later elsewhere")
    assert memory.recall("b") is None
    assert memory.recall("a") == ["hello"]
    assert memory.recall("a") is None


def test_a_conversation_is_forgotten_in_time() -> None:
    clock = Clock()
    memory: Memory[str] = Memory(now=clock, kept_s=90)
    memory.keep("a", ["hello"])
    clock.now = 90
    assert memory.recall("a") is None


def test_the_oldest_goes_when_there_are_too_many() -> None:
    memory: Memory[str] = Memory(now=Clock())
    for number in range(MOST + 1):
        memory.keep(str(number), [])
    assert memory.recall("0") is None
    assert memory.recall("1") == []
