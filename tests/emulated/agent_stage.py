"""A bot whose conversation ZEGO's agent holds, its page in the room, and who gets callbacks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMMessagesAppendFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi.frames import RTVIServerMessageFrame
from pipecat.workers.runner import WorkerRunner

from emulators.zego import Emulator, serve
from emulators.zego.instance import Instance
from processors.text_input import TextInputProcessor, TypedTexts
from processors.transcript import TranscriptProcessor
from transports.avatar.journal import Journal
from transports.zego import Blocks, CallbackRefused, Callbacks, ZegoAgent
from transports.zego.agent_processor import ZegoAgentProcessor

PATIENCE_S = 8.0
SOON = {"connected_delay_ms": 5, "start_spread_ms": 0, "jitter_ms": 0, "text_ms": 15}
BLOCKS = Blocks(
    llm={"Url": "http://127.0.0.1:9/", "Model": "m", "ApiKey": "SECRET-llm"},
    tts={"Vendor": "ByteDanceV3", "Params": {"app": {"appid": "x", "token": "SECRET-tts"}}},
)


class Witness(FrameProcessor):
    """Notes what passes, and wakes who waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.changed = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        self.changed.set()
        await self.push_frame(frame, direction)


class Bot:
    """The bot, and what its page gets and does."""

    def __init__(self, agent: ZegoAgent, emulator: Emulator, *, relays: bool) -> None:
        self.emulator = emulator
        typed = TypedTexts()
        self.agent = ZegoAgentProcessor(agent)
        self.transcript = TranscriptProcessor(typed)
        self.agent.add_event_handler("on_user_turn_message_added", self.transcript.add_user_turn)
        self.errors, self.page = Witness(), Witness()
        self.worker = PipelineWorker(
            Pipeline(
                [self.errors, TextInputProcessor(typed), self.agent, self.transcript, self.page]
            ),
            enable_rtvi=False,
            idle_timeout_secs=None,
        )
        self._relays = relays

    # What the page gets

    def kinds(self) -> list[str]:
        return [type(each).__name__ for each in self.page.frames]

    def count(self, kind: type[Frame]) -> int:
        return sum(isinstance(each, kind) for each in self.page.frames)

    def messages(self, kind: str) -> list[dict[str, Any]]:
        """Those for the page."""
        found = []
        for each in self.page.frames:
            if isinstance(each, RTVIServerMessageFrame):
                found.append(each.data)
            elif isinstance(each, OutputTransportMessageUrgentFrame):
                found.append(each.message["data"])
        return [each for each in found if each["type"] == kind]

    def bubbles(self) -> list[tuple[str, str, bool]]:
        """The final ones: whose, what, and whether cut."""
        turns = self.messages("transcript")
        return [(each["role"], each["text"], each["cut"]) for each in turns if each["final"]]

    def failures(self) -> list[ErrorFrame]:
        return [each for each in self.errors.frames if isinstance(each, ErrorFrame)]

    async def until(self, holds: Callable[[], Any], timeout_s: float = PATIENCE_S) -> None:
        witnesses = (self.page, self.errors)
        async with asyncio.timeout(timeout_s):
            while not holds():
                for each in witnesses:
                    each.changed.clear()
                waits = [asyncio.create_task(each.changed.wait()) for each in witnesses]
                try:
                    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for each in waits:
                        each.cancel()

    # What the page does

    async def watch(self) -> dict[str, Any]:
        """Asks for the room, enters it, and plays; returns what it was told of it."""
        before = len(self.messages("avatar-room"))
        self.agent.page_says("avatar-watch", {})
        await self.until(lambda: len(self.messages("avatar-room")) > before)
        room = self.messages("avatar-room")[-1]
        if self._relays:
            self.emulator.news.listeners.append(self._relay)
        self.emulator.rooms.enter(room["room"], room["user"])
        await self.emulator.until(lambda: room["stream"] in self.emulator.published(room["room"]))
        self.agent.page_says("avatar-joined", {})
        return room

    def _relay(self, message: Any) -> None:
        inner = json.loads(message.content)
        names = {"cmd": "Cmd", "seq_id": "SeqId", "round": "Round", "data": "Data"}
        told = {ours: inner.get(theirs) for ours, theirs in names.items()}
        self.agent.page_says("avatar-agent", {"messages": [told]})

    async def type(self, text: str) -> None:
        """What Pipecat makes of a `send-text`."""
        await self.worker.queue_frame(InterruptionFrame())
        await self.worker.queue_frame(
            LLMMessagesAppendFrame([{"role": "user", "content": text}], run_llm=True)
        )

    def speak(self, text: str, seconds: float = 0.1) -> None:
        self.instance.hears(text, seconds)

    @property
    def instance(self) -> Instance:
        (instance,) = (each for each in self.emulator.instances() if each.running)
        return instance

    def calls(self, name: str) -> list[Any]:
        return [each for each in self.emulator.record.calls if each.name == name]


@asynccontextmanager
async def vendor(*, tells: bool = True, **knobs: Any) -> AsyncIterator[tuple[Emulator, list[Bot]]]:
    """The emulator, with a back end for the bots that are in the list."""
    bots: list[Bot] = []
    callbacks: list[Callbacks] = []

    async def receive(request: web.Request) -> web.Response:
        try:
            told = callbacks[0].read(await request.read())
        except CallbackRefused:
            return web.Response(status=403)
        for bot in bots if told else ():
            if bot.agent.is_about(told):
                await bot.agent.hear(told)
        return web.Response()

    async with AsyncExitStack() as stack:
        app = web.Application()
        app.router.add_post("/", receive)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/" if tells else ""
        knobs = {"llm": "parrot", **SOON, **knobs}
        emulator = await stack.enter_async_context(serve(callback_url=url, **knobs))
        callbacks.append(Callbacks(emulator.knobs.app_id, emulator.callback_secret))
        yield emulator, bots


def agent(emulator: Emulator, folder: Path, **settings: Any) -> ZegoAgent:
    return ZegoAgent(
        **{
            "app_id": emulator.knobs.app_id,
            "server_secret": emulator.server_secret,
            "blocks": BLOCKS,
            "tells": bool(emulator.knobs.callback_url),
            "journal": Journal(folder),
            "api_url": emulator.url,
            **settings,
        }
    )


@asynccontextmanager
async def running(
    emulator: Emulator, bots: list[Bot], folder: Path, *, relays: bool = True, **settings: Any
) -> AsyncIterator[Bot]:
    """A bot that runs; it is ended as a conversation is."""
    bot = Bot(agent(emulator, folder, **settings), emulator, relays=relays)
    bots.append(bot)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(bot.worker)
    work = asyncio.create_task(runner.run())
    try:
        yield bot
        await bot.worker.queue_frame(EndFrame())
        async with asyncio.timeout(PATIENCE_S + 15):
            await work
    finally:
        await bot.worker.cancel()
        await asyncio.wait({work})
        bots.remove(bot)
