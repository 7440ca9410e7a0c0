"""The person's WebSocket: PCM as binary messages, RTVI JSON as text."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.serializers.base_serializer import FrameSerializer

from .messages import Refusals, Refused, parse

MICROPHONE_HZ = 16_000
LONGEST_AUDIO = 64 * 1024
"""Bytes of one binary message: two seconds of microphone."""
MOST_REQUESTS, WITHIN_S = 6, 3.0
"""Requests that the pipeline is bothered with: nobody means more."""

EXPLAINED = ("too long", "too fast", "wrong rate")
"""What is refused and deserves a sentence: a person or a developer can do something about it."""
MOST_EXPLAINED = 20
"""How often, in one session."""


class PageSerializer(FrameSerializer):
    """Turns what the page sends into frames, and frames into what it understands.

    Of the page comes 16-bit mono PCM at 16,000 Hz, at most 64 KiB a message, and RTVI 2.0
    (https://docs.pipecat.ai/client/rtvi-standard); to it goes PCM as the pipeline has it, and RTVI.
    The messages are listed in `docs/frames.md`.

    Nothing that arrives can raise. What is refused is counted by kind in `refused`, and warned
    of once per kind, by kind only.

    Event `on_refused(serializer, kind)`: a message was refused for one of the reasons `EXPLAINED`.

    Args:
        avatar_message: Takes what the page says to the avatar, kind and data. It comes ten times a
            second; without a taker it goes through the pipeline, as on any other user leg.
    """

    def __init__(
        self, avatar_message: Callable[[str, Mapping[str, Any]], None] | None = None
    ) -> None:
        super().__init__()
        self._avatar_message = avatar_message
        self._requests: deque[float] = deque(maxlen=MOST_REQUESTS)
        self._is_ready = False
        self._hurries = False
        self.refused = Refusals()
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
            return self._frame(data)
        except Refused as refusal:
            self.refused.note(refusal.kind)
            if refusal.kind in EXPLAINED and self.refused[refusal.kind] <= MOST_EXPLAINED:
                await self._call_event_handler("on_refused", refusal.kind)
            return None

    def _frame(self, data: str | bytes) -> Frame | None:
        return self._message(parse(data)) if isinstance(data, str) else self._microphone(data)

    def _microphone(self, pcm: bytes) -> InputAudioRawFrame:
        if len(pcm) > LONGEST_AUDIO:
            raise Refused("too long")
        if len(pcm) % 2:
            self.refused.note("half a sample")
        if not (whole := pcm[: len(pcm) // 2 * 2]):
            raise Refused("no audio")
        return InputAudioRawFrame(audio=whole, sample_rate=MICROPHONE_HZ, num_channels=1)

    def _message(self, message: dict[str, Any]) -> Frame | None:
        match message:
            case {"type": "client-message", "data": {"t": str(kind), "d": detail}} if (
                self._avatar_message is not None and kind.startswith("avatar-")
            ):
                self._avatar_message(kind, detail if isinstance(detail, dict) else {})
                return None
            case {"type": "client-ready"} if self._is_ready:
                raise Refused("ready twice")
            case {"type": "client-ready"}:
                self._is_ready = True
            case {"type": "send-text" | "client-message"}:
                self._check_pace()
        return InputTransportMessageFrame(message=message)

    def _check_pace(self) -> None:
        now = asyncio.get_running_loop().time()
        if len(self._requests) == MOST_REQUESTS and now - self._requests[0] < WITHIN_S:
            kind = "flood" if self._hurries else "too fast"  # explained once, counted for ever
            self._hurries = True
            raise Refused(kind)
        self._hurries = False
        self._requests.append(now)
