"""The wire of Pipecat's own clients, against what Pipecat itself makes and reads of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    TextFrame,
)
from pipecat.frames.protobufs import frames_pb2
from pipecat.serializers.protobuf import ProtobufFrameSerializer

from transports.user_leg.protobuf import ProtobufSerializer

protocol: Any = frames_pb2


def deserialize(data: str | bytes, serializer: ProtobufSerializer | None = None) -> Frame | None:
    return asyncio.run((serializer or ProtobufSerializer()).deserialize(data))


def audio(pcm: bytes, rate: int = 16_000, channels: int = 1) -> bytes:
    frame = protocol.AudioRawFrame(audio=pcm, sample_rate=rate, num_channels=channels)
    return bytes(protocol.Frame(audio=frame).SerializeToString())


def message(content: Any) -> bytes:
    frame = protocol.MessageFrame(data=json.dumps(content))
    return bytes(protocol.Frame(message=frame).SerializeToString())


def test_microphone_and_messages_arrive() -> None:
    heard = deserialize(audio(bytes(640)))
    assert isinstance(heard, InputAudioRawFrame)
    assert (heard.audio, heard.sample_rate) == (bytes(640), 16_000)
    sent = {"label": "rtvi-ai", "type": "send-text", "id": "1", "data": {"content": "hello"}}
    told = deserialize(message(sent))
    assert isinstance(told, InputTransportMessageFrame)
    assert told.message["data"]["content"] == "hello"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 50,
        "text",
        audio(b""),
        audio(bytes(640), rate=48_000),
        audio(bytes(640), channels=2),
        message({"label": "rtvi-ai", "type": "send-file", "id": "1"}),
        message([1]),
        bytes(protocol.Frame(text=protocol.TextFrame(text="say this")).SerializeToString()),
        bytes(protocol.Frame(interruption=protocol.InterruptionFrame()).SerializeToString()),
    ],
)
def test_everything_else_is_refused(data: str | bytes) -> None:
    serializer = ProtobufSerializer()
    assert deserialize(data, serializer) is None
    assert serializer.refused.total() == 1


def test_a_wrong_rate_is_explained_but_not_fifty_times_a_second() -> None:
    serializer = ProtobufSerializer()
    told: list[str] = []
    serializer.add_event_handler("on_refused", lambda _, kind: told.append(kind))

    async def talk() -> None:
        for _ in range(500):
            assert await serializer.deserialize(audio(bytes(640), rate=48_000)) is None
        await asyncio.sleep(0.01)

    asyncio.run(talk())
    assert set(told) == {"wrong rate"}
    assert len(told) <= 20


def test_pipecat_reads_what_leaves() -> None:
    async def through(frame: Frame) -> Any:
        data = await ProtobufSerializer().serialize(frame)
        return None if data is None else await ProtobufFrameSerializer().deserialize(data)

    voice = OutputAudioRawFrame(audio=bytes(960), sample_rate=24_000, num_channels=1)
    heard = asyncio.run(through(voice))
    assert (heard.audio, heard.sample_rate, heard.num_channels) == (bytes(960), 24_000, 1)
    told = asyncio.run(through(OutputTransportMessageFrame(message={"label": "rtvi-ai"})))
    assert told.message == {"label": "rtvi-ai"}
    assert asyncio.run(through(InterruptionFrame())) is None
    assert asyncio.run(through(TextFrame("never"))) is None
