"""One conversation with a face, and the server for it: `uv run bot.py`.

`bot()` is Pipecat's entry point and the only place where the parts meet. To add a processor of your
own, write it into `processors/` and put it into the pipeline below; README.md shows how.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

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
from pipecat.runner.types import RunnerArguments, WebSocketRunnerArguments
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
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
from server.errors import ServerError
from services import llm, stt, tts
from transports.avatar.transport import AvatarTransport
from transports.local import LocalVendor
from transports.websocket.serializer import PageSerializer

VERSION = "0.1.0"
PAGE = Path(__file__).parent / "web"

MICROPHONE_HZ = 16_000
VOICE_HZ = 24_000
VOICE_START_S = 0.1  # so much voice is a cut-in
LEAST_VOLUME = 0.3  # a voice is told by its sound; waiting for its loudness takes 0.1 s
VOICE_STOP_S = 0.2  # so much quiet ends a piece of speech
TURN_END_S = 0.05  # and so much more ends the turn: the STT knows whether a phrase is complete

REFUSED = {
    "too long": "That was too long for me. Please send it in smaller pieces.",
    "too fast": "That was too fast for me. Please send the last one again.",
}


def preload() -> None:
    """Load what every session shares: no thread, no socket, no event loop.

    Apart from `bot()`, so that a launcher can load once and fork.
    """
    for part in (stt, llm, tts):
        part.preload()


async def bot(runner_args: RunnerArguments) -> None:
    """Run one conversation, until the person leaves or its time is over."""
    config = settings.load()
    avatar = AvatarTransport(LocalVendor())
    serializer = PageSerializer(avatar_message=avatar.page_says)
    user = _user_leg(runner_args, serializer, config)
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
    context = LLMContextAggregatorPair(
        LLMContext([{"role": "system", "content": config.system_prompt}]),
        user_params=LLMUserAggregatorParams(vad_analyzer=vad, user_turn_strategies=turns),
    )
    context.user().add_event_handler("on_user_turn_message_added", transcript.add_user_turn)

    worker = PipelineWorker(
        Pipeline(
            [
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

    async def notice(text: str) -> None:
        await rtvi.send_server_message({"type": "notice", "text": text})

    @rtvi.event_handler("on_client_ready")
    async def greet(_: object) -> None:
        parts = {"stt": config.stt, "llm": config.llm, "tts": config.tts, "avatar": config.avatar}
        await rtvi.send_server_message({"type": "session"} | parts)
        if config.greeting:
            await worker.queue_frame(TTSSpeakFrame(config.greeting))

    @serializer.event_handler("on_refused")
    async def explain(_: object, kind: str) -> None:
        await notice(REFUSED[kind])

    @worker.event_handler("on_pipeline_error")
    async def report(_: object, error: ErrorFrame) -> None:
        if error.processor is not None and not error.processor.is_usable:
            await notice("Something that this conversation needs has failed, so it ends here.")

    @user.event_handler("on_session_timeout")
    async def time_is_over(*_: object) -> None:
        await notice("This conversation has reached its longest time, so it ends here.")
        await worker.stop_when_done()

    @user.event_handler("on_client_disconnected")
    async def leave(*_: object) -> None:
        await worker.cancel(reason="the person left")

    workers = WorkerRunner(handle_sigint=False)
    await workers.add_workers(worker)
    await workers.run()


def _user_leg(
    runner_args: RunnerArguments, serializer: PageSerializer, config: settings.Settings
) -> FastAPIWebsocketTransport:
    if not isinstance(runner_args, WebSocketRunnerArguments):
        raise SystemExit(
            "This version of avatarbot speaks with its own page over a WebSocket only."
        )
    return FastAPIWebsocketTransport(
        runner_args.websocket,
        FastAPIWebsocketParams(
            serializer=serializer,
            audio_in_enabled=True,
            audio_out_enabled=True,
            session_timeout=config.max_session_seconds,
        ),
    )


def main() -> None:
    """Read the command line and serve; ends with a sentence where it cannot."""
    variables = [(each.name, each.takes) for each in settings.VARIABLES]
    options = cli.parse(None, version=VERSION, variables=variables)
    logs.configure(options.verbosity)
    try:
        config = settings.load()
        preload()
        runner.serve(
            options.host,
            options.port,
            page=PAGE,
            public_url=config.public_url,
            session_secret=config.session_secret,
            tls=options.tls,
            trusted_proxies=config.trusted_proxies,
            max_sessions=config.max_sessions,
            opened=lambda: logs.configure(options.verbosity),
        )
    except (settings.SettingsError, ServerError) as error:
        raise SystemExit(f"avatarbot: {error}") from None


if __name__ == "__main__":
    main()
