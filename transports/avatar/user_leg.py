"""The person's own leg, reached through the processors that follow the avatar in the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipecat.frames.frames import (
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    TTSStoppedFrame,
)
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.processors.frameworks.rtvi.models import ServerMessage

from .frames import ConfidentialMessageFrame


class DownstreamLeg:
    """Pushes downstream what has to be heard, shown or known on the user leg."""

    def __init__(self, processor: FrameProcessor) -> None:
        self._processor = processor

    async def speak(self, pcm: bytes, sample_rate: int, *, interruptible: bool) -> None:
        """A plain audio frame: a `TTSAudioRawFrame` makes the output announce speech itself."""
        frame = OutputAudioRawFrame(audio=pcm, sample_rate=sample_rate, num_channels=1)
        frame.interruptible = interruptible
        await self._processor.push_frame(frame)

    async def flush(self) -> None:
        """An output sends whole chunks only; this frame makes it send the last one."""
        await self._processor.push_frame(TTSStoppedFrame())

    async def tell(self, data: Mapping[str, Any]) -> None:
        """In order with the speech."""
        message = _server_message(data)
        await self._processor.push_frame(OutputTransportMessageFrame(message=message))

    async def tell_at_once(self, data: Mapping[str, Any]) -> None:
        """Ahead of speech that waits."""
        message = _server_message(data)
        await self._processor.push_frame(OutputTransportMessageUrgentFrame(message=message))

    async def confide(self, data: Mapping[str, Any]) -> None:
        """Ahead of speech that waits, and shown in no log."""
        await self._processor.push_frame(ConfidentialMessageFrame(message=_server_message(data)))


def _server_message(data: Mapping[str, Any]) -> dict[str, Any]:
    return ServerMessage(data=dict(data)).model_dump()
