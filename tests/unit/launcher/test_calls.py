"""A vendor's calls find their session, and a session that does not answer holds none of them up."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from launcher.backend import Session, State, UnknownSession
from launcher.calls import ALL_ANSWER_S, Calls

pytestmark = pytest.mark.asyncio


class MemoryBackend:
    """Sessions that are meant, are not, do not answer, or are gone."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, bytes]] = []
        self.at_once = self.most_at_once = 0

    def sessions(self) -> list[Session]:
        return [Session(each, "t", "websocket", State.TALKING, 0, 1) for each in self.answers]

    async def forward(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append((session, (await receive())["body"]))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            match self.answers[session]:
                case None:
                    await asyncio.Event().wait()
                case "gone":
                    raise UnknownSession
                case answer:
                    await asyncio.sleep(0.01)
                    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                    await send({"type": "http.response.start", "status": 200, "headers": []})
                    await send({"type": "http.response.body", "body": body})
        finally:
            self.at_once -= 1

    def names(self) -> list[str]:
        """Who was asked since this was called last."""
        names = sorted(name for name, _ in self.asked)
        self.asked = []
        return names


async def call(calls: Calls, about: str) -> int:
    sent: list[Message] = []
    messages: list[Message] = [{"type": "http.request", "body": b"said", "more_body": False}]

    async def receive() -> Message:
        return messages.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/callbacks/zego", "headers": [], "avatarbot.about": about}
    await calls(scope, receive, send)
    return int(sent[0]["status"])


async def test_who_was_meant_is_asked_alone_the_next_time() -> None:
    backend = MemoryBackend(a={"known": False}, b={"known": True}, c={"known": False})
    calls = Calls(backend)  # type: ignore[arg-type]
    assert await call(calls, "task-b") == 200
    assert {body for _, body in backend.asked} == {b"said"}
    assert backend.names() == ["a", "b", "c"]
    assert await call(calls, "task-b") == 200
    assert backend.names() == ["b"]
    assert await call(calls, "another") == 200
    assert backend.names() == ["a", "b", "c"]


async def test_task_that_has_another_session_by_now_is_found_again() -> None:
    backend = MemoryBackend(a={"known": True}, b={"known": False})
    calls = Calls(backend)  # type: ignore[arg-type]
    await call(calls, "task")
    backend.answers = {"a": {"known": False}, "b": {"known": True}}
    backend.names()
    await call(calls, "task")
    assert backend.names() == ["a", "b"]
    del backend.answers["a"]
    await call(calls, "task")
    assert backend.names() == ["b"]


@pytest.mark.parametrize("answer", [None, "gone", b"", b"no JSON", b"[true]", b'{"known": 1}'])
async def test_session_that_answers_nothing_of_use_does_no_harm(answer: Any) -> None:
    backend = MemoryBackend(a=answer, b={"known": True})
    calls = Calls(backend)  # type: ignore[arg-type]
    assert await call(calls, "task") == 200
    backend.names()
    await call(calls, "task")
    assert backend.names() == ["b"]


async def test_many_that_hang_are_waited_for_so_long_and_no_longer() -> None:
    backend = MemoryBackend(**{f"s{number}": None for number in range(100)})
    calls = Calls(backend)  # type: ignore[arg-type]
    began = asyncio.get_running_loop().time()
    assert await call(calls, "task") == 200
    assert asyncio.get_running_loop().time() - began == pytest.approx(ALL_ANSWER_S)
    assert backend.most_at_once == 8
    assert backend.at_once == 0
