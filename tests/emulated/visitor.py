"""Somebody at the page, without a browser: speaks its protocol, plays what is said in real time.

The bot runs as people run it, in a process of its own; all that it logs is kept.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from services.espeak import Voice
from services.rendering import render
from services.wording import passages
from tests.emulated.serving import free_port

ROOT = Path(__file__).parents[2]
DEADLINE_S = 15.0
VOICE_HZ = 24_000
MICROPHONE_HZ = 16_000
TICK_S = 0.02
OURS = (
    *("OPENAI_", "DEEPGRAM_", "ELEVENLABS_", "CARTESIA_", "STT", "LLM", "TTS", "LANGUAGE"),
    *("AVATAR", "LIVEAVATAR_", "HEYGEN_", "ZEGO_"),
)


class Bot:
    """A running `bot.py`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.origin = ""
        self.log: list[str] = []


@asynccontextmanager
async def running_bot(
    folder: Path, *program: str, extra: Mapping[str, str] = {}, **settings: str
) -> AsyncIterator[Bot]:
    """`bot.py -vv`, or another program, on a free port, with these settings in a `.env`."""
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    environment |= {"XDG_STATE_HOME": str(folder), "PYTHONPATH": str(ROOT), **extra}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *(program or (str(ROOT / "bot.py"),)), "-vv"),
        *("--port", str(free_port())),
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=2**22,
    )
    bot = Bot(process)
    assert process.stdout
    assert process.stderr
    reading = asyncio.create_task(_keep(process.stderr, bot.log))
    try:
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("avatarbot is at "), bot.log[-5:]
        bot.origin = line.split()[3]
        yield bot
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(10):
            await process.wait()
            await reading


async def _keep(stream: asyncio.StreamReader, lines: list[str]) -> None:
    async for line in stream:
        lines.append(line.decode(errors="replace"))


class Visitor:
    """What the person sees and hears.

    Attributes:
        messages: All of the bot's messages; a server-message as its `data`.
        heard: Samples that were played of each utterance.
        closed_with: The code with which the bot closed the connection; None while it is open.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.messages: list[dict[str, Any]] = []
        self.heard: dict[str, int] = {}
        self.closed_with: int | None = None
        self._arrived: dict[str, int] = {}
        self._utterance: str | None = None
        self._playing: list[str] = []
        self._news = asyncio.Condition()

    async def listen(self) -> None:
        """Take what arrives, until the bot hangs up."""
        with suppress(ConnectionClosed):
            async for message in self._socket:
                if isinstance(message, bytes):
                    if self._utterance is not None:
                        self._arrived[self._utterance] += len(message) // 2
                    continue
                await self._take(json.loads(message))
        async with self._news:
            self.closed_with = self._socket.close_code
            self._news.notify_all()

    async def play(self) -> None:
        """Move the loudspeaker on, and report it as the page does."""
        clock = asyncio.get_running_loop().time
        last, reported = clock(), 0.0
        while True:
            await asyncio.sleep(TICK_S)
            now = clock()
            samples, last = round((now - last) * VOICE_HZ), now
            for name in list(self._playing):
                before = self.heard[name]
                self.heard[name] = min(before + samples, self._arrived[name])
                if self.heard[name] > before and now - reported >= 0.1:
                    reported = now
                    await self._report(name)

    async def _take(self, message: dict[str, Any]) -> None:
        data = message.get("data") or {}
        told = data if message["type"] == "server-message" else {"type": message["type"], **data}
        match told["type"]:
            case "avatar-begin":
                self._utterance = told["utterance"]
                self._arrived[self._utterance] = self.heard[self._utterance] = 0
                self._playing.append(self._utterance)
            case "avatar-cut":
                self._utterance, self._playing = None, []
        async with self._news:
            self.messages.append(told)
            self._news.notify_all()

    async def _report(self, name: str) -> None:
        played = {"utterance": name, "samples": self.heard[name]}
        with suppress(ConnectionClosed):
            await self.send("client-message", {"t": "avatar-played", "d": played})

    async def send(self, kind: str, data: dict[str, Any]) -> None:
        message = {"label": "rtvi-ai", "type": kind, "id": "1", "data": data}
        await self._socket.send(json.dumps(message))

    async def type(self, text: str) -> None:
        """Send a text; cuts in where the bot speaks."""
        options = {"run_immediately": True, "audio_response": True}
        await self.send("send-text", {"content": text, "options": options})

    async def talk(self, text: str, *, pause_s: float = 1.5) -> None:
        """Speak into the microphone, and be quiet for a while."""
        voice = b"".join(render(p, Voice("en-us"), MICROPHONE_HZ).pcm for p in passages(text))
        pcm = bytes(2 * MICROPHONE_HZ // 5) + voice + bytes(int(2 * MICROPHONE_HZ * pause_s))
        for start in range(0, len(pcm), 640):
            await self._socket.send(pcm[start : start + 640])
            await asyncio.sleep(TICK_S)

    async def until(
        self, wanted: Callable[[dict[str, Any]], bool], after: int = 0
    ) -> dict[str, Any]:
        """The first message, from number `after` on, that is wanted; waits for it."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [each for each in self.messages[after:] if wanted(each)]
            return bool(found) or self.closed_with is not None

        async with asyncio.timeout(DEADLINE_S), self._news:
            await self._news.wait_for(there)
        assert found, [each for each in self.messages if each["type"] != "avatar-visemes"][-12:]
        return found[0]

    async def kind(self, kind: str, after: int = 0) -> dict[str, Any]:
        return await self.until(lambda each: each["type"] == kind, after)

    async def answer(self, after: int = 0) -> str:
        """The text of the next bubble of the bot that is complete."""
        bubble = await self.until(
            lambda m: m["type"] == "transcript" and m["role"] == "assistant" and m["final"], after
        )
        return str(bubble["text"])

    async def ask(self, text: str) -> str:
        """Type a text; returns what is said to it, as `answer` does."""
        before = len(self.messages)
        await self.type(text)
        return await self.answer(before)

    async def until_heard(self, seconds: float, after: int = 0) -> str:
        """Wait until the utterance that begins next was heard for so long; returns its name."""
        name = str((await self.kind("avatar-begin", after))["utterance"])
        async with asyncio.timeout(DEADLINE_S):
            while self.heard[name] < seconds * VOICE_HZ:
                await asyncio.sleep(TICK_S)
        return name

    async def until_over(self) -> int:
        """Wait until the bot hangs up; returns the code with which it does."""
        async with asyncio.timeout(DEADLINE_S), self._news:
            await self._news.wait_for(lambda: self.closed_with is not None)
        assert self.closed_with is not None
        return self.closed_with

    def notices(self) -> list[str]:
        return [each["text"] for each in self.messages if each["type"] == "notice"]

    def errors(self) -> list[str]:
        return [str(each) for each in self.messages if each["type"] == "error"]


@asynccontextmanager
async def visiting(bot: Bot, ticket: str | None = None) -> AsyncIterator[Visitor]:
    """A visit to a bot, from "Start" to "End"; with a ticket, the next one of a conversation."""
    url = f"ws{bot.origin.removeprefix('http')}/ws-client"
    if ticket is None:
        welcome = await asyncio.to_thread(_start, bot.origin)
        url, ticket = welcome["wsUrl"], welcome["token"]
    protocols = ["avatarbot", f"ticket.{ticket}"]
    dialled = connect(
        url,
        subprotocols=protocols,  # type: ignore[arg-type]
        additional_headers={"Origin": bot.origin},
        proxy=None,
    )
    async with dialled as socket:
        visitor = Visitor(socket)
        tasks = [asyncio.create_task(visitor.listen()), asyncio.create_task(visitor.play())]
        try:
            await visitor.send("client-ready", {"version": "2.0.0", "about": {"library": "test"}})
            yield visitor
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def secretive(
    folder: Path, *, script: str = "bot.py", extra: Mapping[str, str] = {}, **settings: str
) -> AsyncIterator[Visitor]:
    """A visit to a bot of its own, which logs and shows no key and tells the page of no error."""
    running = running_bot(folder, str(ROOT / script), extra=extra, **settings)
    async with running as bot, visiting(bot) as visitor:
        yield visitor
    # Only now: what it logs while it ends counts as well.
    leaks = [line for line in bot.log if "SECRET-" in line]
    assert not leaks, leaks[0]
    shown = [str(each) for each in visitor.messages if "SECRET-" in str(each)]
    assert not shown, shown[0]
    assert not visitor.errors()


def _start(origin: str) -> dict[str, str]:
    request = urllib.request.Request(
        f"{origin}/start",
        data=b'{"transport": "websocket"}',
        headers={"Origin": origin, "Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=DEADLINE_S) as response:
        welcome: dict[str, str] = json.load(response)
    return welcome
