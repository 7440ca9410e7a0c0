"""One conversation with a face, and the server for it: `uv run bot.py`.

`bot()` is Pipecat's entry point and the only place where the parts meet. To add a processor of your
own, write it into `processors/` and put it into the pipeline below; README.md shows how.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import ErrorFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker, ProcessorUnusablePolicy
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.runner.types import (
    DailyRunnerArguments,
    LiveKitRunnerArguments,
    RunnerArguments,
    WebSocketRunnerArguments,
)
from pipecat.runner.utils import create_transport
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import (
    UserTurnStrategies,
    default_user_turn_start_strategies,
)
from pipecat.workers.runner import WorkerRunner

import logs
import settings
from processors.response_time import ResponseTimeProcessor
from processors.text_input import (
    TextInputProcessor,
    TypedTexts,
    TypedTurnStartStrategy,
    TypedTurnStopStrategy,
)
from processors.transcript import TranscriptProcessor
from server import cli, runner
from server.admission import Admission, admission
from server.errors import ServerError
from services import llm, stt, tts
from session.lifetime import Ending, Lifetime
from session.memory import Conversation, Memory
from transports.avatar.transport import AvatarTransport
from transports.local import LocalVendor
from transports.user_leg import MessageFilter, PageSerializer, ProtobufSerializer

VERSION = "0.1.0"
PAGE = Path(__file__).parent / "web"

MICROPHONE_HZ = 16_000
VOICE_HZ = 24_000
VOICE_START_S = 0.1  # so much voice is a cut-in
LEAST_VOLUME = 0.3  # a voice is told by its sound; waiting for its loudness takes 0.1 s
VOICE_STOP_S = 0.2  # so much quiet ends a piece of speech
TURN_END_S = 0.05  # and so much more ends the turn: the STT knows whether a phrase is complete
TICKET_RENEWAL_S = 300  # half of a ticket's life

_REFUSED = {
    "too long": "That was too long for me. Please send it in smaller pieces.",
    "wrong rate": f"I hear audio of one channel at {MICROPHONE_HZ:,} Hz only.",
}

MEMORY: Memory[Any] = Memory(now=time.monotonic)


def preload() -> None:
    """Load what every session shares: no thread, no socket, no event loop.

    Apart from `bot()`, so that a launcher can load once and fork.
    """
    for part in (stt, llm, tts):
        part.preload()


async def bot(runner_args: RunnerArguments) -> None:
    """Run one conversation, until the person leaves or its time is over."""
    config = settings.load()
    let_in = Admission(page=False)
    if isinstance(runner_args, WebSocketRunnerArguments):
        let_in = admission(runner_args.websocket.scope)
    avatar = AvatarTransport(LocalVendor(reported=let_in.page))
    serializer = PageSerializer(avatar.page_says) if let_in.page else ProtobufSerializer()
    user = await create_transport(runner_args, _user_legs(serializer))
    typed = TypedTexts()
    transcript = TranscriptProcessor(typed)
    turns = UserTurnStrategies(
        start=[TypedTurnStartStrategy(), *default_user_turn_start_strategies()],
        stop=[
            TypedTurnStopStrategy(),
            SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=TURN_END_S),
        ],
    )
    vad = await asyncio.to_thread(
        SileroVADAnalyzer,
        params=VADParams(start_secs=VOICE_START_S, stop_secs=VOICE_STOP_S, min_volume=LEAST_VOLUME),
    )
    said_before = await MEMORY.recall(let_in.session) if let_in.session else None
    messages = LLMContext(said_before or [{"role": "system", "content": config.system_prompt}])
    context = LLMContextAggregatorPair(
        messages,
        user_params=LLMUserAggregatorParams(vad_analyzer=vad, user_turn_strategies=turns),
    )
    context.user().add_event_handler("on_user_turn_message_added", transcript.add_user_turn)

    worker = PipelineWorker(
        Pipeline(
            [
                MessageFilter(),
                user.input(),
                stt.LocalSTTService(),
                TextInputProcessor(typed),
                context.user(),
                llm.RulesLLMService(),
                tts.LocalTTSService(),
                avatar.output(),
                user.output(),
                transcript,
                ResponseTimeProcessor(),
                context.assistant(),
            ]
        ),
        params=PipelineParams(audio_in_sample_rate=MICROPHONE_HZ, audio_out_sample_rate=VOICE_HZ),
        # A bot that cannot hear, think or speak any more is of no use: say so, then end.
        processor_unusable_policy=ProcessorUnusablePolicy.END,
        idle_timeout_secs=None,  # a person may be silent; `MAX_SESSION_SECONDS` bounds it
    )
    rtvi = worker.rtvi

    async def tell(kind: str, **data: Any) -> None:
        await rtvi.send_server_message({"type": kind} | data)

    renewing: list[asyncio.Task[None]] = []

    async def renew_ticket(renew: Callable[[], str]) -> None:
        while True:
            await tell("ticket", token=renew(), remembers=True)
            await asyncio.sleep(TICKET_RENEWAL_S)

    greetings = [TTSSpeakFrame(config.greeting)] if config.greeting and not said_before else []

    async def greet() -> None:
        if greetings:
            await worker.queue_frame(greetings.pop())

    @rtvi.event_handler("on_client_ready")
    async def introduce(_: object) -> None:
        parts = {"stt": config.stt, "llm": config.llm, "tts": config.tts, "avatar": config.avatar}
        await tell("session", **parts)
        if let_in.renew and not renewing:
            renewing.append(asyncio.create_task(renew_ticket(let_in.renew)))
        await greet()

    @serializer.event_handler("on_refused")
    async def explain(_: object, kind: str) -> None:
        await tell("notice", text=_REFUSED[kind])

    @worker.event_handler("on_pipeline_error")
    async def report(_: object, error: ErrorFrame) -> None:
        if error.processor is not None and not error.processor.is_usable:
            text = "Something that this conversation needs has failed, so it ends here."
            await tell("notice", text=text, ends=True)

    async def time_is_over(why: Ending) -> None:
        logger.info(why.value)
        if why is Ending.LONGEST_TIME:
            await tell("notice", text=why.value, ends=True)
            await worker.queue_frame(TTSSpeakFrame(why.value, append_to_context=False))
        await worker.stop_when_done()

    lifetime = Lifetime(time_is_over, longest_s=config.max_session_seconds)
    # In a room the bot stays when a person leaves; elsewhere the connection was theirs alone.
    in_room = isinstance(runner_args, DailyRunnerArguments | LiveKitRunnerArguments)

    @user.event_handler("on_client_connected")
    async def arrive(_: object, client: object) -> None:
        lifetime.came(_name(client))
        if in_room:  # where people come with clients that know nothing of us
            await greet()

    @user.event_handler("on_client_disconnected")
    async def leave(_: object, client: object) -> None:
        lifetime.left(_name(client))
        if not in_room:
            await worker.cancel(reason="the person left")

    workers = WorkerRunner(handle_sigint=False)
    await workers.add_workers(worker)
    conversation = Conversation(messages.get_messages, worker.cancel)
    if let_in.session:
        MEMORY.begin(let_in.session, conversation)
    lifetime.begin()
    try:
        await workers.run()
    finally:
        lifetime.close()
        if let_in.session:
            MEMORY.over(let_in.session, conversation)
        for task in renewing:
            task.cancel()


def _user_legs(serializer: PageSerializer) -> dict[str, Callable[[], TransportParams]]:
    """The ways to reach the bot, by Pipecat's names."""

    def daily() -> TransportParams:
        from pipecat.transports.daily.transport import DailyParams

        return DailyParams(audio_in_enabled=True, audio_out_enabled=True)

    def livekit() -> TransportParams:
        from pipecat.transports.livekit.transport import LiveKitParams

        return LiveKitParams(audio_in_enabled=True, audio_out_enabled=True)

    return {
        "websocket": lambda: FastAPIWebsocketParams(
            serializer=serializer, audio_in_enabled=True, audio_out_enabled=True
        ),
        "webrtc": lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True),
        "daily": daily,
        "livekit": livekit,
    }


def _transports(config: settings.Settings) -> dict[str, str | None]:
    """The same ways, each with a sentence where it cannot be had."""

    def needs(package: str, extra: str, *values: str, names: str = "") -> str | None:
        if not all(values):
            return f"For this, set {names} in .env."
        if importlib.util.find_spec(package) is None:
            return f"For this, start with: uv run --extra {extra} bot.py"
        return None

    livekit = (config.livekit_url, config.livekit_api_key, config.livekit_api_secret)
    return {
        "websocket": None,
        "webrtc": needs("aiortc", "webrtc"),
        "daily": needs("daily", "daily", config.daily_api_key, names="DAILY_API_KEY"),
        "livekit": needs(
            "livekit.api",
            "livekit",
            *livekit,
            names="LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET",
        ),
    }


def _name(client: object) -> str:
    """Who came or left a room; on a connection of one there is nobody to tell apart."""
    return str(client["id"]) if isinstance(client, dict) else "the person"


def _lend_rooms(config: settings.Settings) -> None:
    """Pipecat's runner makes rooms with keys that it looks for in the environment only."""
    os.environ |= {
        name: value
        for name in ("DAILY_API_KEY", "LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
        if (value := getattr(config, name.lower()))
    }


def main() -> None:
    """Read the command line and serve; ends with a sentence where it cannot."""
    variables = [(each.name, each.takes) for each in settings.VARIABLES]
    options = cli.parse(None, version=VERSION, variables=variables)
    logs.configure(options.verbosity)
    try:
        config = settings.load()
        _lend_rooms(config)
        preload()
        runner.serve(
            options.host,
            options.port,
            page=PAGE,
            transports=_transports(config),
            public_url=config.public_url,
            session_secret=config.session_secret,
            opened=lambda: logs.configure(options.verbosity),
        )
    except (settings.SettingsError, ServerError) as error:
        raise SystemExit(f"avatarbot: {error}") from None


if __name__ == "__main__":
    main()
