"""Daily's native client, as far as Pipecat's transport sees it: one room with one person."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from pipecat.transports.daily import transport

from .loudspeaker import Loudspeaker

MICROPHONE_HZ = 16_000
PERSON = {"id": "person", "info": {"userName": "Person", "isLocal": False}}


class Room:
    """A call client, and the person on its other side. Daily answers by completions."""

    microphone_hz = MICROPHONE_HZ
    latest: Room

    def __init__(self, event_handler: Any) -> None:
        Room.latest = self
        self.loudspeaker = Loudspeaker(24_000)
        self.told: list[dict[str, Any]] = []
        self.connected = asyncio.Event()
        self._bot = event_handler
        self._thread = ThreadPoolExecutor(1)  # Daily calls back from a thread of its own
        self._renderer: Callable[..., None] | None = None

    # What Pipecat calls

    def join(self, url: str, token: str, *, completion: Any, client_settings: Any) -> None:
        self.connected.set()
        completion({"participants": {"local": {"id": "bot"}}}, None)

    def leave(self, *, completion: Any) -> None:
        self.connected.clear()
        completion(None)

    def release(self) -> None:
        self._thread.shutdown(wait=False)

    def participants(self) -> dict[str, Any]:
        return {"local": {"id": "bot"}, PERSON["id"]: PERSON}

    def participant_counts(self) -> dict[str, int]:
        return {"present": 2, "hidden": 0}

    def set_user_name(self, name: str) -> None:
        pass

    def update_subscription_profiles(self, profiles: Any) -> None:
        pass

    def update_subscriptions(self, *args: Any, completion: Any = None, **_: Any) -> None:
        if completion:
            completion(None)

    def set_audio_renderer(self, person: str, renderer: Callable[..., None], **given: Any) -> None:
        assert given["sample_rate"] == MICROPHONE_HZ
        self._renderer = renderer

    def send_app_message(self, message: Any, *_: Any, completion: Any = None) -> None:
        self.told.append(json.loads(message) if isinstance(message, str) else message)
        if completion:
            completion(None)

    # What the person does

    def come(self) -> None:
        self._thread.submit(self._bot.on_participant_joined, PERSON)

    def speak(self, pcm: bytes) -> None:
        """10 ms of the person's voice, or of their silence."""
        if self._renderer:
            audio = SimpleNamespace(
                audio_frames=pcm, sample_rate=MICROPHONE_HZ, num_channels=1, num_audio_frames=160
            )
            self._thread.submit(self._renderer, PERSON["id"], audio, "microphone")

    def send(self, message: Any) -> None:
        self._thread.submit(self._bot.on_app_message, message, PERSON["id"])


class CustomAudioSource:
    """Plays what is written, and says so when it has been played."""

    def __init__(self, rate: int, channels: int, auto_silence: bool) -> None:
        assert (rate, channels) == (24_000, 1)

    def write_frames(self, pcm: bytes, *, completion: Any) -> None:
        loop = asyncio.get_running_loop()
        ends = Room.latest.loudspeaker.play(pcm)
        loop.call_at(ends, completion, len(pcm) // 2)


def replace(patch: pytest.MonkeyPatch) -> type[Room]:
    """Puts these in the place of the native ones."""
    patch.setattr(transport, "CallClient", Room)
    patch.setattr(transport, "CustomAudioSource", CustomAudioSource)
    patch.setattr(transport, "CustomAudioTrack", lambda source: SimpleNamespace(id="track"))
    patch.setattr(transport.Daily, "init", lambda: None)
    return Room
