"""One conversation with a face, and the server for it: `uv run bot.py`.

`bot()` is Pipecat's entry point and the only place where the parts meet. To add a processor of your
own, write it into `processors/` and put it into the pipeline below; README.md shows how.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from fastapi import APIRouter
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import ErrorFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.runner.types import (
    DailyRunnerArguments,
    LiveKitRunnerArguments,
    RunnerArguments,
    WebSocketRunnerArguments,
)
from pipecat.runner.utils import create_transport
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import (
    UserTurnStrategies,
    default_user_turn_start_strategies,
)
from pipecat.workers.runner import WorkerRunner

import faces
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
from processors.trouble import Part, TroubleProcessor
from server import cli, digital_human, runner, viewer
from server.admission import Admission, admission
from server.back_end import BackEnd
from server.completions import Completions, reachable
from server.errors import ServerError
from server.ways import obstacles
from services import providers
from services.brain import Brain
from services.providers import Account, Provider, ProviderError
from services.voice_activity import SileroVADAnalyzer
from session.host import Host
from session.memory import Conversation, Memory
from tools.world_clock import time_in_city
from transports.user_leg import MessageFilter, PageSerializer, ProtobufSerializer, ways

VERSION = "0.1.0"
PAGE = Path(__file__).parent / "web"

MICROPHONE_HZ = 16_000
VOICE_HZ = 24_000
VOICE_START_S = 0.1  # so much voice is a cut-in
LEAST_VOLUME = 0.3  # a voice is told by its sound; waiting for its loudness takes 0.1 s
VOICE_STOP_S = 0.2  # so much quiet ends a piece of speech
# And so much more ends the turn. The built-in ears know whether a phrase is complete. Deepgram
# writes down what it hears, so a pause in mid-sentence has to be waited for: Pipecat's own 0.6 s.
TURN_END_S = {"local": 0.05, "deepgram": 0.6}

TOOLS = [time_in_city]  # what a language model may call; `tools/` tells how to add one

REFUSED = {
    "too long": "That was too long for me. Please send it in smaller pieces.",
    "too fast": "That was too fast for me. Please send the last one again.",
    "wrong rate": f"I hear audio of one channel at {MICROPHONE_HZ:,} Hz only.",
}
"""What a person is told of a message that was not taken."""

MEMORY: Memory[Any] = Memory(now=time.monotonic)

COMPLETIONS = Completions()
"""Where a vendor's agent asks for its words; there is nothing to be found without one."""

router = APIRouter()
"""What a launcher's process answers besides, for its session; `preload()` adds to it."""
router.include_router(COMPLETIONS.router)


def preload() -> None:
    """Load what every session shares: no thread, no socket, no event loop.

    Apart from `bot()`, so that a launcher can load once and fork.
    """
    config = settings.load()
    faces.preload(config)
    if back_end := _back_end(config):
        router.include_router(back_end.asked)
        router.include_router(back_end.called)
    if config.avatar in faces.AGENTS:
        if not config.zego_agent_llm_url:
            _origin(config)  # said now, and not to each who comes
            providers.preload(None, config.llm, None, language=config.language)
    else:
        providers.preload(config.stt, config.llm, config.tts, language=config.language)


def configure_logs(stream: TextIO) -> None:
    """Have a launcher's processes log as `main()` does, into its own stream."""
    logs.configure(logs.verbosity_of(os.environ.get("LOGURU_LEVEL", "")), stream=stream)


async def bot(runner_args: RunnerArguments) -> None:
    """Run one conversation, until the person leaves or its time is over."""
    config = settings.load()
    logs.keep_secret(config.secrets())  # not everybody who calls this has called `main()`
    let_in = _admission(runner_args)
    async with AsyncExitStack() as stack:
        await _converse(runner_args, config, let_in, stack)


async def _converse(
    runner_args: RunnerArguments,
    config: settings.Settings,
    let_in: Admission,
    stack: AsyncExitStack,
) -> None:
    said_before = await MEMORY.recall(let_in.session) if let_in.session else None
    session = let_in.session or runner_args.session_id
    typed = TypedTexts()
    transcript = TranscriptProcessor(typed)
    if config.avatar in faces.AGENTS:
        middle = await _managed(config, session, typed, transcript, said_before or [], stack)
    else:
        middle = await _own(config, let_in, typed, transcript, said_before or [])
    serializer = PageSerializer(middle.page_says) if let_in.page else ProtobufSerializer()
    if isinstance(runner_args, WebSocketRunnerArguments):
        runner_args.transport_type = "websocket"  # where it is left open, Pipecat expects a phone
    user = await create_transport(runner_args, ways.params(serializer))

    worker = PipelineWorker(
        Pipeline(
            [
                TroubleProcessor(middle.parts),
                MessageFilter(),
                user.input(),
                *middle.answers,
                user.output(),
                transcript,
                ResponseTimeProcessor(),
                *middle.remembers,
            ]
        ),
        params=PipelineParams(audio_in_sample_rate=MICROPHONE_HZ, audio_out_sample_rate=VOICE_HZ),
        idle_timeout_secs=None,  # a person may be silent; `MAX_SESSION_SECONDS` bounds it
    )
    host = Host(
        worker,
        user,
        introduction={**middle.by, "avatar": config.avatar},
        greeting="" if said_before else config.greeting,
        longest_s=config.max_session_seconds,
        in_room=isinstance(runner_args, DailyRunnerArguments | LiveKitRunnerArguments),
        renew=let_in.renew,
    )

    @serializer.event_handler("on_refused")
    async def explain(_: object, kind: str) -> None:
        await host.tell("notice", text=REFUSED[kind])

    async def keep_within(_: object, limit_s: float | None) -> None:
        if limit_s is not None and not faces.goes_on_without(config):
            host.ends_before(limit_s)

    middle.face.add_event_handler("on_session_opened", keep_within)
    workers = WorkerRunner(handle_sigint=False)
    await workers.add_workers(worker)
    with (
        MEMORY.open(let_in.session, Conversation(middle.messages, worker.cancel)),
        middle.attended(session),
    ):
        async with host.there():
            await workers.run()


@dataclass(frozen=True, slots=True)
class Middle:
    """What hears, thinks and speaks in a conversation.

    Attributes:
        answers: From what the person says to what they hear.
        remembers: Behind what was heard.
        face: The one of them that says when something ends by itself.
        parts: What the person is told of those that fail.
        by: Who takes which part, for the page.
        page_says: Takes what the page says to the avatar.
        messages: What was said, for the next connection.
        attended: Around the conversation, by its session: the vendor can tell of it.
    """

    answers: list[FrameProcessor]
    remembers: list[FrameProcessor]
    face: FrameProcessor
    parts: Mapping[FrameProcessor, Part]
    by: Mapping[str, str]
    page_says: Callable[[str, Mapping[str, Any]], None]
    messages: Callable[[], list[Any]]
    attended: Callable[[str | None], AbstractContextManager[None]]


async def _own(
    config: settings.Settings,
    let_in: Admission,
    typed: TypedTexts,
    transcript: TranscriptProcessor,
    said_before: list[Any],
) -> Middle:
    """Ears, language model, voice and face, each by a part of its own."""
    ears = providers.speech_to_text(config.stt, _account(config, config.stt))
    brain = providers.language_model(config.llm, _account(config, config.llm))
    voice = providers.text_to_speech(config.tts, _account(config, config.tts))
    avatar = faces.transport(config, page=let_in.page)
    parts: dict[FrameProcessor, Part] = {
        ears: _part(providers.STT[config.stt]),
        brain: _part(providers.LLM[config.llm]),
        voice: _part(providers.TTS[config.tts]),
    }
    if config.avatar != "local":
        parts[avatar.output()] = _face(config, "The drawn face goes on without it.")
    messages = LLMContext(said_before, tools=TOOLS)
    context = LLMContextAggregatorPair(messages, user_params=await _turns(config))
    context.user().add_event_handler("on_user_turn_message_added", transcript.add_user_turn)
    heard = [ears, TextInputProcessor(typed), context.user()]
    return Middle(
        answers=[*heard, brain, voice, avatar.output()],
        remembers=[context.assistant()],
        face=avatar.output(),
        parts=parts,
        by={"stt": config.stt, "llm": config.llm, "tts": config.tts},
        page_says=avatar.page_says,
        messages=messages.get_messages,
        attended=partial(faces.attended, config, avatar=avatar),
    )


async def _managed(
    config: settings.Settings,
    session: str | None,
    typed: TypedTexts,
    transcript: TranscriptProcessor,
    said_before: list[Any],
    stack: AsyncExitStack,
) -> Middle:
    """A vendor that hears and speaks in a room of its own, and thinks there, or asks us."""
    by = dict.fromkeys(("stt", "llm", "tts"), config.avatar)
    parts: dict[FrameProcessor, Part] = {}
    messages: Callable[[], list[Any]]
    if config.zego_agent_llm_url:
        agent = faces.agent(config, said_before=said_before)
        messages = agent.messages
    else:
        by["llm"] = config.llm
        thinks = providers.language_model(config.llm, _account(config, config.llm))
        parts[thinks] = _part(providers.LLM[config.llm])
        context = LLMContext(said_before, tools=TOOLS)
        messages = context.get_messages

        async def failed(error: ErrorFrame) -> None:
            await agent.brain_failed(error)

        brain = Brain(context, thinks, failed=failed)
        lent = COMPLETIONS.lend(brain, session=session or "", origin=_origin(config))
        agent = faces.agent(config, brain=stack.enter_context(lent))
        await stack.enter_async_context(brain.awake())
    parts[agent] = _face(config)
    agent.add_event_handler("on_user_turn_message_added", transcript.add_user_turn)
    return Middle(
        answers=[TextInputProcessor(typed), agent],
        remembers=[],
        face=agent,
        parts=parts,
        by=by,
        page_says=agent.page_says,
        messages=messages,
        attended=partial(faces.attended, config, avatar=agent),
    )


def _origin(config: settings.Settings) -> str:
    """Where the vendor's agent finds this server."""
    return reachable(
        config.public_url,
        vendor=config.zego_ai_agent_api_url,
        otherwise="ZEGO_AGENT_LLM_URL",
    )


async def _turns(config: settings.Settings) -> LLMUserAggregatorParams:
    """When a person's turn begins and ends."""
    vad = await asyncio.to_thread(
        SileroVADAnalyzer,
        params=VADParams(start_secs=VOICE_START_S, stop_secs=VOICE_STOP_S, min_volume=LEAST_VOLUME),
    )
    strategies = UserTurnStrategies(
        start=[TypedTurnStartStrategy(), *default_user_turn_start_strategies()],
        stop=[
            TypedTurnStopStrategy(),
            SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=TURN_END_S[config.stt]),
        ],
    )
    return LLMUserAggregatorParams(vad_analyzer=vad, user_turn_strategies=strategies)


def _admission(runner_args: RunnerArguments) -> Admission:
    if isinstance(runner_args, WebSocketRunnerArguments):
        return admission(runner_args.websocket.scope)
    return Admission(page=False)


def _account(config: settings.Settings, provider: str) -> Account:
    """What a provider has to be told of the settings."""
    key: str | None = None
    url: str | None = None
    model = voice = ""
    match provider:
        case "openai":
            key, url, model = config.openai_api_key, config.openai_base_url, config.openai_model
        case "deepgram":
            key, url = config.deepgram_api_key, config.deepgram_api_url
            model = config.deepgram_model
        case "elevenlabs":
            key, url = config.elevenlabs_api_key, config.elevenlabs_api_url
            model, voice = config.elevenlabs_model, config.elevenlabs_voice_id
        case "cartesia":
            key, url = config.cartesia_api_key, config.cartesia_api_url
            model, voice = config.cartesia_model, config.cartesia_voice_id
    return Account(key, url, model, voice, config.language, config.system_prompt)


def _back_end(config: settings.Settings) -> BackEnd | None:
    """What is answered over HTTP for conversations with a face that has use for it."""
    desk = faces.desk(config)
    if desk is None:
        return None
    agents = config.avatar in faces.AGENTS
    return digital_human.back_end(desk, faces.signed(config), agents=agents)


def _part(provider: Provider[Any]) -> Part:
    """What the person is told of a provider that fails."""
    return Part(provider.title, provider.key, provider.choices)


def _face(config: settings.Settings, instead: str = "") -> Part:
    """What the person is told of a face that fails, and of what takes its place."""
    face = faces.row(config)
    return Part(face.title, face.key, face.choices, partial(faces.explain, config), instead)


def main() -> None:
    """Read the command line and serve; ends with a sentence where it cannot."""
    variables = [(each.name, each.takes) for each in settings.VARIABLES]
    options = cli.parse(None, version=VERSION, variables=variables)
    logs.configure(options.verbosity)
    try:
        config = settings.load()
        logs.configure(options.verbosity, secrets=config.secrets())
        preload()
        asyncio.run(faces.stop_what_was_left(config))
        runner.serve(
            options.host,
            options.port,
            page=PAGE,
            transports=obstacles(lambda name: getattr(config, name.lower())),
            public_url=config.public_url,
            session_secret=config.session_secret,
            tls=options.tls,
            trusted_proxies=config.trusted_proxies,
            max_sessions=config.max_sessions,
            viewer=viewer.if_installed(
                PAGE, faces.viewer(config), faces.api_url(config), faces.room_url(config)
            ),
            back_end=_back_end(config),
            router=COMPLETIONS.router,
            opened=lambda: logs.configure(options.verbosity),
        )
    except (settings.SettingsError, faces.FaceError, ProviderError, ServerError) as error:
        raise SystemExit(f"avatarbot: {error}") from None


if __name__ == "__main__":
    main()
