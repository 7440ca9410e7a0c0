"""The same WebSocket for Pipecat's own clients, whose messages are protocol buffers."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError
from pipecat.frames.frames import Frame, OutputAudioRawFrame
from pipecat.frames.protobufs import frames_pb2

from .messages import Refused, parse
from .serializer import MICROPHONE_HZ, PageSerializer

_protocol: Any = frames_pb2  # generated, and without types


class ProtobufSerializer(PageSerializer):
    """As `PageSerializer`, with audio and JSON inside Pipecat's `Frame` message.

    Pipecat's `ProtobufFrameSerializer` raises on what is no frame, and makes frames of every kind
    that a client wishes; here the same rules hold for every client.
    """

    async def serialize(self, frame: Frame) -> bytes | None:
        """Returns the message, or None for what the client has no use for."""
        match await super().serialize(frame):
            case str(text):
                wire = _protocol.Frame(message=_protocol.MessageFrame(data=text))
            case bytes(pcm) if isinstance(frame, OutputAudioRawFrame):
                audio = _protocol.AudioRawFrame(
                    audio=pcm, sample_rate=frame.sample_rate, num_channels=frame.num_channels
                )
                wire = _protocol.Frame(audio=audio)
            case _:
                return None
        return bytes(wire.SerializeToString())

    def _frame(self, data: str | bytes) -> Frame | None:
        try:
            wire = _protocol.Frame.FromString(data if isinstance(data, bytes) else b"\0")
        except DecodeError:
            raise Refused("not a protocol buffer") from None
        match wire.WhichOneof("frame"):
            case "audio":
                if (wire.audio.sample_rate, wire.audio.num_channels) != (MICROPHONE_HZ, 1):
                    raise Refused("wrong rate")
                return self._microphone(wire.audio.audio)
            case "message":
                return self._message(parse(wire.message.data))
        raise Refused("type not allowed")
