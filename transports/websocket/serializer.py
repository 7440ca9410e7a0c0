"""The person's WebSocket: PCM as binary messages, RTVI JSON as text."""

import json
from collections import Counter
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.processors.frameworks.rtvi.frames import RTVIClientMessageFrame
from pipecat.serializers.base_serializer import FrameSerializer

from .messages import Refused, parse

MICROPHONE_HZ = 16_000
LONGEST_AUDIO = 64 * 1024
"""Bytes of one binary message: two seconds of microphone."""


class PageSerializer(FrameSerializer):
    """Turns what the page sends into frames, and frames into what it understands.

    Nothing that arrives can raise. What is refused is counted by kind in `refused`, and warned
    of once per kind, by kind only.

    Event `on_refused(serializer, kind)`: a message was refused that a person may have caused,
    such as a text that is too long, and deserves a sentence.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refused: Counter[str] = Counter()
        self._register_event_handler("on_refused")

    async def serialize(self, frame: Frame) -> str | bytes | None:
        """Returns PCM, JSON text, or None for what the page has no use for."""
        match frame:
            case OutputAudioRawFrame():
                return bytes(frame.audio)
            case OutputTransportMessageFrame() | OutputTransportMessageUrgentFrame():
                return json.dumps(frame.message, ensure_ascii=False, separators=(",", ":"))
            case _:
                return None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        """Returns the frame that a message holds, or None if it is refused."""
        try:
            if isinstance(data, str):
                return _frame(parse(data))
            return self._microphone(data)
        except Refused as refusal:
            self._count(refusal.kind)
            if refusal.kind == "too long" and isinstance(data, str):
                await self._call_event_handler("on_refused", refusal.kind)
            return None

    def _microphone(self, pcm: bytes) -> InputAudioRawFrame:
        if len(pcm) > LONGEST_AUDIO:
            raise Refused("too long")
        if len(pcm) % 2:
            self._count("half a sample")
        if not (whole := pcm[: len(pcm) // 2 * 2]):
            raise Refused("no audio")
        return InputAudioRawFrame(audio=whole, sample_rate=MICROPHONE_HZ, num_channels=1)

    def _count(self, kind: str) -> None:
        self.refused[kind] += 1
        if self.refused[kind] == 1:
            logger.warning(f"refused a message from the page: {kind} (warned of once)")


def _frame(message: dict[str, Any]) -> Frame:
    """What the page says of its playback comes ten times a second, and takes the short way.

    It becomes what Pipecat's RTVI processor makes of it, without a round through the whole pipeline
    on its way there.
    """
    match message:
        case {"type": "client-message", "id": ident, "data": {"t": str(kind), "d": detail}} if (
            kind.startswith("avatar-")
        ):
            return RTVIClientMessageFrame(msg_id=ident, type=kind, data=detail)
    return InputTransportMessageFrame(message=message)
