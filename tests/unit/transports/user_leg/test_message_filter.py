"""Which messages of a room or a data channel reach the pipeline."""

from __future__ import annotations

from typing import Any

import pytest
from pipecat.frames.frames import Frame, InputTransportMessageFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.tests.utils import run_test

from transports.user_leg import MessageFilter


def rtvi(kind: str, data: Any) -> dict[str, Any]:
    return {"label": "rtvi-ai", "type": kind, "id": "1", "data": data}


async def passed(*messages: Any) -> list[Any]:
    frames: list[Frame] = [InputTransportMessageFrame(message=each) for each in messages]
    _, up = await run_test(
        MessageFilter(),
        frames_to_send=frames,
        frames_to_send_direction=FrameDirection.UPSTREAM,
    )
    return [each.message for each in up if isinstance(each, InputTransportMessageFrame)]


@pytest.mark.asyncio
async def test_known_messages_pass_with_their_known_fields_only() -> None:
    sent = rtvi("send-text", {"content": "hello", "files": ["/etc/passwd"]})
    (message,) = await passed(sent)
    assert message["data"]["content"] == "hello"
    assert "files" not in message["data"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "message",
    [
        None,
        "text",
        [1],
        {"label": "other"},
        rtvi("llm-function-call-result", {"function_name": "pay"}),
        rtvi("send-file", {"url": "http://127.0.0.1"}),
        rtvi("send-text", {"content": "x" * 100_000}),
    ],
)
async def test_everything_else_is_dropped(message: Any) -> None:
    assert await passed(message) == []
