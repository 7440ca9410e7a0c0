"""Callers that mean no good, at the real bot: it lives on, and each of them gets its end."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.emulated.serving import (
    DEADLINE_S,
    Call,
    Place,
    Server,
    calling,
    free_port,
    ticket,
)

MOST = 6
BYTES_A_SECOND = 32_000


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("hostile")
    port = free_port()
    server = Server(
        *("bot.py", "--port", str(port)),
        GREETING="Hello.",
        MAX_SESSIONS=str(MOST),
        XDG_STATE_HOME=str(folder),
    )
    server.place = Place(f"http://localhost:{port}", port)  # type: ignore[attr-defined]
    yield server.opened()
    assert server.process.poll() is None, "it died"
    server.stop()
    assert "Traceback" not in server.log
    assert " ERROR " not in server.log
    assert "eyJ" not in server.log, "a ticket was logged"


@pytest.fixture
def place(bot: Server) -> Place:
    place: Place = bot.place  # type: ignore[attr-defined]
    return place


async def logged(bot: Server, words: str, times: int = 1) -> None:
    """Waits until the bot has logged the words so many times."""
    async with asyncio.timeout(DEADLINE_S):
        while bot.log.count(words) < times:
            await asyncio.sleep(0.02)


async def closed(wire: ClientConnection) -> tuple[int | None, str]:
    """Reads on to the end; returns its code and reason."""
    async with asyncio.timeout(DEADLINE_S):
        try:
            while True:
                await wire.recv()
        except ConnectionClosed:
            return wire.close_code, wire.close_reason or ""


async def every_place_is_free(place: Place) -> None:
    """Waits until so many callers as there are places are there at the same time."""
    there: list[ClientConnection] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(there) < MOST:
            with suppress(InvalidStatus):  # the ticket came while there was a place
                there.append(await place.dial(await ticket(place)))
    await asyncio.gather(*(wire.close() for wire in there))


GARBAGE: tuple[Any, ...] = (
    "", "x", "null", "[]", "{}", '"rtvi-ai"', "[" * 20_000, '{"label": "rtvi-ai"}', "\0", "\ud7ff",
    b"", b"\0", b"\xff" * 641, bytes(64 * 1024 + 2), "x" * 70_000,
    json.dumps({"label": "rtvi-ai", "type": "no-such-type", "id": "1"}),
    json.dumps({"label": "rtvi-ai", "type": "send-text", "id": "1", "data": {"content": 7}}),
    json.dumps({"label": "rtvi-ai", "type": "client-ready", "id": "1",
                "data": {"version": "9" * 99}}),
    json.dumps({"label": "rtvi-ai", "type": "client-message", "id": "1",
                "data": {"t": "avatar-played", "d": {"utterance": [], "samples": -1}}}),
)  # fmt: skip


@pytest.mark.asyncio
async def test_garbage_is_passed_over(place: Place) -> None:
    async with calling(place) as call:
        for each in GARBAGE:
            await call.wire.send(each)
        assert await call.answer_to("What is your name?")


@pytest.mark.asyncio
async def test_text_of_100_kb_gets_a_sentence_and_the_conversation_goes_on(place: Place) -> None:
    async with calling(place) as call:
        await call.say("x" * 100_000)
        assert "too long" in (await call.until_told("notice"))["text"]
        assert await call.answer_to("What is your name?")


@pytest.mark.asyncio
async def test_control_characters_are_left_out(place: Place) -> None:
    async with calling(place) as call:
        await call.say("\x1b[31m\0What is\x07 your\x9b name?\x7f")
        said = await call.until_told("transcript", role="user")
        assert said["text"] == "[31mWhat is your name?"


Break = Callable[[ClientConnection], Any]


def raw(wire: ClientConnection, data: bytes) -> None:
    wire.transport.write(data)


@pytest.mark.parametrize(
    ("breaks", "code"),
    [
        (lambda wire: raw(wire, b"\x83\x80\0\0\0\0"), 1002),
        (lambda wire: raw(wire, b"\xc1\x80\0\0\0\0"), 1002),
        (lambda wire: raw(wire, b"\x81\x01x"), 1002),
        (lambda wire: raw(wire, b"\x80\x80\0\0\0\0"), 1002),
        (lambda wire: raw(wire, b"\x81\x82\0\0\0\0\xff\xfe"), 1007),
        (lambda wire: raw(wire, b"\x82\xff\0\0\0\1\0\0\0\0\0\0\0\0"), 1009),
        (lambda wire: raw(wire, b"GET / HTTP/1.1\r\n\r\n"), 1002),
    ],
    ids=["opcode", "compressed", "unmasked", "continues nothing", "UTF-8", "length", "HTTP"],
)
@pytest.mark.asyncio
async def test_what_is_no_websocket_is_closed_with_its_code(
    place: Place, breaks: Break, code: int
) -> None:
    async with place.dial(place.start()["token"]) as wire:
        breaks(wire)
        assert (await closed(wire))[0] == code


@pytest.mark.asyncio
async def test_message_larger_than_any_is_closed_with_its_code(place: Place) -> None:
    async with place.dial(place.start()["token"]) as wire:
        await wire.send(bytes(300 * 1024))
        assert (await closed(wire))[0] == 1009


@pytest.mark.parametrize(
    ("message", "a_second", "reason"),
    [
        ("{}", 2_000, "too many messages"),
        (bytes(3 * 640), 50, "audio comes faster than it is spoken"),
        ("x" * 60_000, 50, "too much text"),
    ],
    ids=["messages", "audio", "text"],
)
@pytest.mark.asyncio
async def test_flood_is_closed_with_a_code_and_a_reason(
    place: Place, message: Any, a_second: int, reason: str
) -> None:
    async with calling(place) as call:
        flood = asyncio.create_task(pour(call, message, a_second))
        assert await closed(call.wire) == (4429, reason)
        await flood


async def pour(call: Call, message: Any, a_second: int) -> None:
    try:
        while True:
            for _ in range(max(1, a_second // 10)):
                await call.wire.send(message)
            await asyncio.sleep(0.02)  # five times as fast as it says, not to wait for long
    except ConnectionClosed:
        return


@pytest.mark.asyncio
async def test_flood_of_pings_is_cut_off(place: Place, bot: Server) -> None:
    async with place.dial(place.start()["token"]) as wire:
        for _ in range(200):
            raw(wire, b"\x89\x80\0\0\0\0" * 2_000)
            if wire.state.name != "OPEN":
                break
            await asyncio.sleep(0)
        assert (await closed(wire))[0] in (None, 1006)
    await logged(bot, "dropped a connection: a flood came in")


@pytest.mark.asyncio
async def test_flood_of_empty_pieces_is_cut_off(place: Place, bot: Server) -> None:
    async with place.dial(place.start()["token"]) as wire:
        raw(wire, b"\x01\x80\0\0\0\0")
        for _ in range(200):
            raw(wire, b"\x00\x80\0\0\0\0" * 2_000)
            if wire.state.name != "OPEN":
                break
            await asyncio.sleep(0)
        assert (await closed(wire))[0] in (None, 1006)
    await logged(bot, "dropped a connection: a flood came in", times=2)


@pytest.mark.asyncio
async def test_who_never_reads_is_cut_off_soon_after_nothing_can_be_sent(
    place: Place, bot: Server
) -> None:
    with socket.socket() as small:
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        small.connect(("127.0.0.1", place.port))
        small.setblocking(False)
        async with calling(place, host=None, port=None, sock=small) as call:
            await call.say("Tell me a story")
            await call.until_audible()
            call.wire.transport.pause_reading()
            await logged(bot, "dropped a connection: nothing was read for 4 s")
            call.wire.transport.abort()
    await every_place_is_free(place)


@pytest.mark.asyncio
async def test_who_vanishes_in_the_middle_of_a_word_leaves_nothing_behind(
    place: Place, bot: Server
) -> None:
    before = bot.vitals()
    for _ in range(5):
        async with calling(place) as call:
            await call.say("Tell me a story")
            await call.until_audible()
            await call.wire.send(bytes(640))
            call.wire.transport.abort()
    pooled = 6  # threads of the loop's executor, which come as they are needed and stay
    async with asyncio.timeout(DEADLINE_S):
        while bot.vitals().files > before.files or bot.vitals().threads > before.threads + pooled:
            await asyncio.sleep(0.02)
    await every_place_is_free(place)


@pytest.mark.asyncio
async def test_fifty_at_once_get_a_place_or_are_told_that_there_is_none(
    place: Place, bot: Server
) -> None:
    async with calling(place) as neighbour:
        tokens = [await ticket(place) for _ in range(50)]
        wires = await asyncio.gather(
            *(place.dial(token) for token in tokens), return_exceptions=True
        )
        refused = [each.response for each in wires if isinstance(each, InvalidStatus)]
        assert len(refused) >= 50 - (MOST - 1)
        assert {(each.status_code, bytes(each.body)) for each in refused} == {
            (503, b'{"detail":"Every place is taken."}')
        }
        assert place.ask("GET", "/")[0] == 200
        assert await neighbour.answer_to("What is your name?")
        for wire in wires:
            if isinstance(wire, ClientConnection):
                wire.transport.abort()
    await every_place_is_free(place)


@pytest.mark.parametrize(
    "beginning",
    [b"", b"GET / HTTP/1.1\r\nHost: ", b"GET / HTTP/1.1\r\nHost: {host}\r\n\r\nGET"],
    ids=["nothing", "half a head", "a second one"],
)
@pytest.mark.long
def test_request_that_does_not_come_is_not_waited_for(place: Place, beginning: bytes) -> None:
    with socket.create_connection(("127.0.0.1", place.port), 2 * DEADLINE_S) as wire:
        wire.sendall(beginning.replace(b"{host}", place.host.encode()))
        began = time.monotonic()
        try:
            while wire.recv(65_536):
                pass
        except ConnectionError:
            pass
        assert time.monotonic() - began < 2 * DEADLINE_S - 1
