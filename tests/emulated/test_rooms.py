"""The unchanged bot in rooms of Daily and LiveKit: real transports, native clients replaced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
import pytest
from pipecat.runner.types import DailyRunnerArguments, LiveKitRunnerArguments, RunnerArguments

import bot
from services.espeak import Voice
from services.rendering import render
from services.wording import passages

from .native.loudspeaker import LOUD

pytest.importorskip("daily", reason="needs daily-python (uv sync --extra daily)")
pytest.importorskip("livekit.rtc", reason="needs livekit (uv sync --extra livekit)")

DEADLINE_S = 30
PIECE_S = 0.01


def arguments(kind: str) -> RunnerArguments:
    if kind == "daily":
        return DailyRunnerArguments(room_url="https://example.daily.co/room", token="SECRET-daily")
    return LiveKitRunnerArguments(
        room_name="room", url="wss://example.livekit.cloud", token="SECRET-livekit"
    )


class Person:
    """Somebody in the room, whose microphone is always on."""

    def __init__(self, room: Any) -> None:
        self.room = room
        self._sentence = b""

    def say(self, text: str) -> None:
        pcm = b"".join(
            render(p, Voice("en-us"), self.room.microphone_hz).pcm for p in passages(text)
        )
        self._sentence += pcm

    @property
    def talks(self) -> bool:
        return bool(self._sentence)

    async def live(self) -> None:
        """The microphone: what is to be said, and faint noise around it."""
        loop = asyncio.get_running_loop()
        noise = np.random.default_rng(1)
        size = 2 * round(PIECE_S * self.room.microphone_hz)
        due = loop.time()
        while True:
            piece, self._sentence = self._sentence[:size], self._sentence[size:]
            quiet = noise.normal(0, 15, (size - len(piece)) // 2).astype(np.int16).tobytes()
            self.room.speak(piece + quiet)
            due += PIECE_S
            await asyncio.sleep(due - loop.time())

    async def hears(self, after: float) -> float:
        """Waits until the bot is heard after a time; returns when."""
        return await self._until(lambda: self.room.loudspeaker.last_heard() > after)

    async def hears_nothing(self, for_s: float) -> float:
        """Waits until nothing was heard for a while; returns when it was last heard."""
        loop = asyncio.get_running_loop()
        await self._until(lambda: loop.time() > self.room.loudspeaker.last_heard() + for_s)
        return float(self.room.loudspeaker.last_heard())

    async def is_told(self, kind: str) -> dict[str, Any]:
        """Waits for a message of a kind; returns its data."""

        def told() -> list[dict[str, Any]]:
            every = [each["data"] for each in self.room.told if each["type"] == "server-message"]
            return [data for data in every if data.get("type") == kind]

        await self._until(lambda: bool(told()))
        return told()[-1]

    async def has_spoken(self) -> float:
        return await self._until(lambda: not self.talks)

    @staticmethod
    async def _until(happened: Any) -> float:
        async with asyncio.timeout(DEADLINE_S):
            while not happened():
                await asyncio.sleep(PIECE_S)  # a poll of what was observed, under a deadline
        return asyncio.get_running_loop().time()


@asynccontextmanager
async def conversation(kind: str, patch: pytest.MonkeyPatch) -> AsyncIterator[Person]:
    if kind == "daily":
        from .native import daily as native
    else:
        from .native import livekit as native  # type: ignore[no-redef]
    rooms = native.replace(patch)
    running = asyncio.create_task(bot.bot(arguments(kind)))
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not hasattr(rooms, "latest"):
                await asyncio.sleep(PIECE_S)
            await rooms.latest.connected.wait()
        person = Person(rooms.latest)
        rooms.latest.come()
        microphone = asyncio.create_task(person.live())
        yield person
        microphone.cancel()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        del rooms.latest


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["daily", "livekit"])
async def test_a_person_in_a_room_is_greeted_heard_and_obeyed(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with conversation(kind, monkeypatch) as person:
        await person.hears(after=0)
        greeted = await person.hears_nothing(for_s=1)
        person.say("Tell me a story.")
        await person.hears(after=greeted)
        person.say("What is your name?")
        began = asyncio.get_running_loop().time()
        cut = await person.is_told("avatar-cut")
        assert cut["unheard"]
        silent = await person.hears_nothing(for_s=0.25)  # the answer comes soon
        assert silent - began < 1.0
        await person.has_spoken()
        await person.hears(after=silent)
        loud = [p for _, p in person.room.loudspeaker.pieces if np.abs(p.astype(int)).max() > LOUD]
        assert loud


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["daily", "livekit"])
async def test_a_person_in_a_room_can_type_and_nobody_can_do_more(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with conversation(kind, monkeypatch) as person:
        await person.hears(after=0)
        greeted = await person.hears_nothing(for_s=1)
        message = {"label": "rtvi-ai", "id": "1"}
        person.room.send("garbage")
        person.room.send(message | {"type": "send-file", "data": {"url": "http://127.0.0.1"}})
        person.room.send(message | {"type": "send-text", "data": {"content": "What is your name?"}})
        await person.hears(after=greeted)
