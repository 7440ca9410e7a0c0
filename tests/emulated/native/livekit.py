"""LiveKit's native client, as far as Pipecat's transport sees it: one room with one person."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from livekit import rtc

from .loudspeaker import Loudspeaker

MICROPHONE_HZ = 48_000
PERSON = "person"


class Room:
    """The room, and the person in it."""

    microphone_hz = MICROPHONE_HZ
    latest: Room

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        Room.latest = self
        self.loudspeaker = Loudspeaker(24_000)
        self.told: list[dict[str, Any]] = []
        self.connected = asyncio.Event()
        self.remote_participants: dict[str, Any] = {}
        self.local_participant = SimpleNamespace(
            identity="bot", publish_track=self._publish_track, publish_data=self._publish_data
        )
        self._handlers: dict[str, Callable[..., None]] = {}
        self._microphone: asyncio.Queue[bytes] = asyncio.Queue()

    # What Pipecat calls

    def on(self, event: str) -> Callable[[Callable[..., None]], None]:
        return lambda handler: self._handlers.update({event: handler})

    async def connect(self, url: str, token: str, *, options: rtc.RoomOptions) -> None:
        self.connected.set()

    async def disconnect(self) -> None:
        self.connected.clear()

    async def _publish_track(self, track: Any, options: Any) -> None:
        track.loudspeaker = self.loudspeaker

    async def _publish_data(self, data: bytes, **_: Any) -> None:
        self.told.append(json.loads(data))

    # What the person does

    def come(self) -> None:
        person = SimpleNamespace(identity=PERSON)
        self.remote_participants[PERSON] = person
        self._handlers["participant_connected"](person)
        track = SimpleNamespace(kind=rtc.TrackKind.KIND_AUDIO, sid="t", microphone=self._microphone)
        self._handlers["track_subscribed"](track, SimpleNamespace(sid="t"), person)

    def speak(self, pcm: bytes) -> None:
        """10 ms of the person's voice, or of their silence."""
        self._microphone.put_nowait(pcm)

    def send(self, message: Any) -> None:
        person = self.remote_participants[PERSON]
        data = json.dumps(message).encode()
        self._handlers["data_received"](SimpleNamespace(data=data, participant=person))


class AudioSource:
    """Queues what is captured; a full queue makes the bot wait."""

    def __init__(self, rate: int, channels: int, *, queue_size_ms: int) -> None:
        assert (rate, channels) == (24_000, 1)
        self._ahead_s = queue_size_ms / 1_000

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        loop = asyncio.get_running_loop()
        ends = Room.latest.loudspeaker.play(bytes(frame.data))
        await asyncio.sleep(max(0.0, ends - loop.time() - self._ahead_s))

    def clear_queue(self) -> None:
        Room.latest.loudspeaker.clear()

    async def aclose(self) -> None:
        pass


class AudioStream:
    """The person's microphone."""

    def __init__(self, track: Any) -> None:
        self._microphone: asyncio.Queue[bytes] = track.microphone

    async def __aiter__(self) -> AsyncIterator[rtc.AudioFrameEvent]:
        while True:
            pcm = await self._microphone.get()
            yield rtc.AudioFrameEvent(rtc.AudioFrame(pcm, MICROPHONE_HZ, 1, len(pcm) // 2))

    async def aclose(self) -> None:
        pass


def replace(patch: pytest.MonkeyPatch) -> type[Room]:
    """Puts these in the place of the native ones."""
    patch.setattr(rtc, "Room", Room)
    patch.setattr(rtc, "AudioSource", AudioSource)
    patch.setattr(rtc, "AudioStream", AudioStream)
    track = SimpleNamespace(create_audio_track=lambda name, source: SimpleNamespace())
    patch.setattr(rtc, "LocalAudioTrack", track)
    return Room
