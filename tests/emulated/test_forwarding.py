"""Requests handed on to a session's socket, with something else behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from launcher import forwarding
from launcher.forwarding import Forwarder

pytestmark = pytest.mark.asyncio

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PATIENCE_S = 10


@asynccontextmanager
async def forwarder(folder: Path, answer: Answering) -> AsyncIterator[Forwarder]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer)
        writer.close()

    server = await asyncio.start_unix_server(serve, folder / "socket")
    found = Forwarder(folder / "socket")
    yield found
    await found.close()
    server.close()


class Asking:
    """One request, its body in pieces, and what is answered."""

    def __init__(self, *pieces: bytes, headers: dict[str, str] | None = None) -> None:
        length = str(sum(map(len, pieces)))
        given = {"host": "bot.example.com"} | (headers or {})
        given |= {"content-length": length} if pieces else {}
        self.scope: Any = {
            "type": "http",
            "method": "POST" if pieces else "GET",
            "path": "/a/b",
            "raw_path": b"/a/b",
            "query_string": b"c=%2F&c=%20",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
        self._pieces = list(pieces)
        self.answer: asyncio.Queue[Message] = asyncio.Queue()
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        if self._pieces:
            piece = self._pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.answer.put_nowait(message)

    async def of(self, found: Forwarder) -> tuple[int, dict[bytes, bytes], bytes]:
        async with asyncio.timeout(PATIENCE_S):
            await found(self.scope, self.receive, self.send)
        start = self.answer.get_nowait()
        body = b""
        while not self.answer.empty():
            body += self.answer.get_nowait().get("body", b"")
        return start["status"], dict(start["headers"]), body


async def test_request_and_answer_arrive_as_they_were_but_for_the_hop(tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"xyz"))
        writer.write(
            b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nDate: then\r\nConnection: X-Hop\r\n"
            b"X-Hop: 1\r\nSet-Cookie: a=1\r\nContent-Encoding: gzip\r\n\r\nok"
        )

    wish = {"connection": "keep-alive, x-mine", "x-mine": "1", "x-end": "2", "te": "trailers"}
    async with forwarder(tmp_path, answer) as found:
        status, headers, body = await Asking(b"x", b"yz", headers=wish).of(found)
    assert (status, body) == (201, b"ok")
    kept = {b"content-length": b"2", b"set-cookie": b"a=1", b"content-encoding": b"gzip"}
    assert headers == kept
    head = seen[0].partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    assert head[0] == b"post /a/b?c=%2f&c=%20 http/1.1"
    assert set(head[1:]) == {b"host: bot.example.com", b"content-length: 3", b"x-end: 2"}


async def test_pieces_of_an_answer_come_one_by_one(tmp_path: Path) -> None:
    turns = asyncio.Semaphore(0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            writer.write(b"1\r\nx\r\n")
            await turns.acquire()
        writer.write(b"0\r\n\r\n")

    asking = Asking()
    async with forwarder(tmp_path, answer) as found, asyncio.timeout(PATIENCE_S):
        task = asyncio.create_task(found(asking.scope, asking.receive, asking.send))
        assert (await asking.answer.get())["status"] == 200
        for _ in range(3):
            assert (await asking.answer.get())["body"] == b"x"
            assert asking.answer.empty()
            turns.release()
        assert not (await asking.answer.get()).get("more_body", False)
        await task


async def test_who_goes_away_takes_the_request_along(tmp_path: Path) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await reader.read()
        ended.set()

    asking = Asking()
    async with forwarder(tmp_path, answer) as found, asyncio.timeout(PATIENCE_S):
        task = asyncio.create_task(found(asking.scope, asking.receive, asking.send))
        await begun.wait()
        asking.gone.set()
        await ended.wait()
        await task
    assert asking.answer.empty()


async def test_session_that_is_gone_is_told(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with forwarder(tmp_path, answer) as found:
        status, _, body = await Asking().of(found)
    assert (status, body) == (502, b'{"detail":"The session is gone."}')
    found = Forwarder(tmp_path / "nobody")
    assert (await Asking(b"x").of(found))[0] == 502
    await found.close()


async def test_session_that_does_not_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "ANSWER_S", 0.05)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with forwarder(tmp_path, answer) as found:
        status, _, body = await Asking().of(found)
    assert (status, body) == (504, b'{"detail":"The session takes too long to answer."}')


async def test_answer_that_breaks_off_has_no_end(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")

    asking = Asking()
    async with forwarder(tmp_path, answer) as found:
        async with asyncio.timeout(PATIENCE_S):
            await found(asking.scope, asking.receive, asking.send)
    messages = [asking.answer.get_nowait() for _ in range(asking.answer.qsize())]
    assert all(each.get("more_body", True) for each in messages[1:])
