"""A WebSocket that sends faster than anything that talks is closed with a code and a sentence."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message

from server.flood import FLOOD, BoundedSocket

SECOND_OF_AUDIO = [{"type": "websocket.receive", "bytes": bytes(640)}] * 50


class Wire:
    """Hands in the same messages for so many seconds."""

    def __init__(self, each_second: list[dict[str, Any]]) -> None:
        self.sent: list[Message] = []
        self._each_second = each_second
        self._waiting = list(each_second)
        self.socket = BoundedSocket(self._receive, self._send)

    async def _receive(self) -> Message:
        if not self._waiting:
            await asyncio.sleep(1)
            self._waiting = list(self._each_second)
        return self._waiting.pop()

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    async def end(self, within_s: float) -> Message | None:
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while loop.time() < until:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                return message
        return None


@pytest.mark.asyncio
async def test_microphone_and_playback_reports_may_go_on_for_hours() -> None:
    report = {"type": "websocket.receive", "text": "x" * 200}
    assert await Wire([*SECOND_OF_AUDIO, *[report] * 10]).end(within_s=3 * 3_600) is None


@pytest.mark.asyncio
async def test_seconds_that_were_held_up_may_come_at_once() -> None:
    wire = Wire(SECOND_OF_AUDIO * 15)
    assert await wire.end(within_s=1) is None


@pytest.mark.parametrize(
    ("each_second", "sentence"),
    [
        ([{"type": "websocket.receive", "bytes": bytes(2)}] * 150, "too many messages"),
        ([{"type": "websocket.receive", "bytes": bytes(1_920)}] * 50, "audio comes faster"),
        ([{"type": "websocket.receive", "text": ""}] * 5_000, "too many messages"),
        ([{"type": "websocket.receive", "text": "x" * 64_000}], "too much text"),
    ],
)
@pytest.mark.asyncio
async def test_flood_is_closed_with_a_sentence_and_nothing_is_sent_after(
    each_second: list[dict[str, Any]], sentence: str
) -> None:
    wire = Wire(each_second)
    end = await wire.end(within_s=60)
    assert end is not None
    assert (end["code"], end["reason"].startswith(sentence)) == (FLOOD, True)
    await wire.socket.send({"type": "websocket.send", "text": "late"})
    assert wire.sent == [{"type": "websocket.close", "code": FLOOD, "reason": end["reason"]}]


@pytest.mark.asyncio
async def test_end_of_the_other_side_passes() -> None:
    gone = {"type": "websocket.disconnect", "code": 1001}
    assert await Wire([gone]).end(within_s=1) == gone
