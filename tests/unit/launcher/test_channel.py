"""Messages come whole, with their files, and the end of the other side is told."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.channel import (
    LARGEST,
    MOST_WAITING,
    Channel,
    ChannelClosed,
    MalformedMessage,
    MessageTooLarge,
)
from launcher.messages import Exited, Fork, Ping, Pong, Run, Take

pytestmark = pytest.mark.real_loop

Pair = tuple[Channel, Channel]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = Channel.pair()
    other = Channel(theirs)
    yield ours, other
    for each in (ours, other):
        if each.fileno() >= 0:
            each._end.close()


def files() -> int:
    return len(os.listdir("/proc/self/fd"))


def send_many(channel: Channel) -> None:
    for _ in range(10 * MOST_WAITING):
        channel.send(Run({"fill": 40_000 * "x"}), 0)


@pytest.mark.parametrize(
    "message",
    [
        Ping(),
        Pong(12.5),
        Exited(7, -9),
        Run({"session": "a", "body": {"x": [1, None, "ä"]}}),
        Take("GET / HTTP/1.1\r\n" + 65_519 * "\xff", {"page": True}),
    ],
)
def test_message_arrives_as_it_was_sent(pair: Pair, message: object) -> None:
    ours, theirs = pair
    ours.send_blocking(message)
    assert theirs.receive_blocking() == (message, [])


def test_files_come_beside_it_and_are_not_inherited(pair: Pair, tmp_path: Path) -> None:
    ours, theirs = pair
    path = tmp_path / "file"
    with path.open("w") as file:
        ours.send_blocking(Fork(), file, file.fileno())
    message, received = theirs.receive_blocking()
    assert message == Fork()
    for number in received:
        assert not os.get_inheritable(number)
        os.write(number, b"x")
        os.close(number)
    assert path.read_text() == "xx"


def test_message_that_does_not_fit_is_refused(pair: Pair) -> None:
    with pytest.raises(MessageTooLarge):
        pair[0].send_blocking(Take(LARGEST * "x", {}))
    pair[0].send_blocking(Ping())
    assert pair[1].receive_blocking() == (Ping(), [])


@pytest.mark.parametrize(
    "data",
    [
        b"no JSON",
        b"[]",
        b"{}",
        b'{"type": "Unheard"}',
        b'{"type": "Any"}',
        b'{"type": "Pong"}',
        b'{"type": "Ping", "more": 1}',
        b"\xff",
        b"[" * 100_000,
        b"x" * (LARGEST + 1),
    ],
)
def test_what_is_no_message_is_told_of_and_leaves_no_file_open(pair: Pair, data: bytes) -> None:
    ours, theirs = pair
    before = files()
    with open(os.devnull) as file:
        socket.send_fds(ours._end, [data], [file.fileno()])
    with pytest.raises(MalformedMessage) as caught:
        theirs.receive_blocking()
    assert data.decode(errors="replace") not in str(caught.value)
    assert files() == before
    ours.send_blocking(Ping())
    assert theirs.receive_blocking() == (Ping(), [])


def test_end_of_the_other_side_is_told(pair: Pair) -> None:
    ours, theirs = pair
    theirs.send_blocking(Ping())
    theirs.close()
    assert ours.receive_blocking() == (Ping(), [])
    with pytest.raises(ChannelClosed):
        ours.receive_blocking()
    with pytest.raises(ChannelClosed):
        ours.send_blocking(Ping())


@pytest.mark.asyncio
async def test_messages_wait_in_order_while_nobody_reads(pair: Pair) -> None:
    ours, theirs = pair
    before = files()
    for number in range(20):
        ours.send(Run({"number": number, "fill": 40_000 * "x"}), 0)
    for number in range(20):
        message, (received,) = await theirs.receive()
        os.close(received)
        assert message.spec["number"] == number
    assert files() == before


@pytest.mark.asyncio
async def test_other_side_that_never_reads_is_given_up(pair: Pair) -> None:
    ours, _ = pair
    before = files()
    with pytest.raises(ChannelClosed):
        send_many(ours)
    ours.close()
    assert files() == before - 1


@pytest.mark.asyncio
async def test_cancelled_wait_loses_nothing(pair: Pair) -> None:
    ours, theirs = pair
    for _ in range(3):
        waiting = asyncio.create_task(theirs.receive())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
    ours.send(Ping())
    assert await theirs.receive() == (Ping(), [])


@pytest.mark.asyncio
async def test_whoever_waits_is_told_when_the_channel_is_closed_here(pair: Pair) -> None:
    _, theirs = pair
    waiting = asyncio.create_task(theirs.receive())
    await asyncio.sleep(0)
    theirs.close()
    theirs.close()
    with pytest.raises(ChannelClosed):
        await waiting
    with pytest.raises(ChannelClosed):
        theirs.send(Ping())
