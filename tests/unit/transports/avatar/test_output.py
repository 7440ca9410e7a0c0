"""The output in a real Pipecat pipeline, with the real context behind it, on a clock that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from loguru import logger
from pipecat.frames.frames import (
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMAssistantPushAggregationFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    OutputTransportMessageUrgentFrame,
    SystemFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserImageRequestFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.text.base_text_aggregator import TextType
from pipecat.workers.runner import WorkerRunner

from tests.unit.transports.avatar.memory_vendor import GONE, MemoryVendor
from tests.unit.transports.avatar.speaking import RATE, voice
from transports.avatar.commands import EndSpeech, Interrupt, Speak
from transports.avatar.frames import HeardTextFrame
from transports.avatar.transport import AvatarTransport
from transports.avatar.vendor import Profile

pytestmark = pytest.mark.asyncio

WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "the",
    "lazy",
    "dog",
    "and",
    "then",
    "sleeps",
    "for",
    "a",
    "while",
]
WORD_S = 0.3
START_S = 0.2


class Recorder(FrameProcessor):
    """Writes down what passes, in both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.down: list[Frame] = []
        self.up: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        (self.down if direction is FrameDirection.DOWNSTREAM else self.up).append(frame)
        await self.push_frame(frame, direction)

    def kinds(self, *wanted: type[Frame]) -> list[type[Frame]]:
        return [type(frame) for frame in self.down if isinstance(frame, wanted)]

    def heard(self) -> list[str]:
        return [frame.text for frame in self.down if isinstance(frame, HeardTextFrame)]


class Stage:
    def __init__(self, vendor: MemoryVendor, **options: Any) -> None:
        self.vendor = vendor
        self.before = Recorder()
        self.after = Recorder()
        self.context = LLMContext()
        self.output = AvatarTransport(vendor, **options).output()
        pair = LLMContextAggregatorPair(self.context)
        self.worker = PipelineWorker(
            Pipeline([self.before, self.output, self.after, pair.assistant()]),
            enable_rtvi=False,
            idle_timeout_secs=None,
        )

    async def push(self, *frames: Frame) -> None:
        for frame in frames:
            await self.worker.queue_frame(frame)
        await asyncio.sleep(0.001)

    async def reply(self, words: list[str] = WORDS) -> None:
        """A reply as a TTS of ours makes it: all at once, the words in front of their audio."""
        await self.push(LLMFullResponseStartFrame(), TTSStartedFrame(context_id="c"))
        for number, word in enumerate(words):
            await self.push(timed(word, number), audio(WORD_S, number))
        await self.push(TTSStoppedFrame(context_id="c"), LLMFullResponseEndFrame())

    def messages(self) -> list[Any]:
        return [m["content"] for m in self.context.get_messages() if m["role"] == "assistant"]


def timed(word: str, number: int) -> TTSTextFrame:
    frame = TTSTextFrame(word, text_type=TextType.WORD, context_id="c")
    start, end = round(number * WORD_S * RATE), round((number + 1) * WORD_S * RATE)
    frame.metadata["avatarbot"] = {"start": start, "end": end}
    return frame


def audio(seconds: float, number: int = 0) -> TTSAudioRawFrame:
    return TTSAudioRawFrame(voice(seconds, round(number * seconds * RATE)), RATE, 1, context_id="c")


@asynccontextmanager
async def on_stage(vendor: MemoryVendor | None = None, **options: Any) -> AsyncIterator[Stage]:
    stage = Stage(vendor or MemoryVendor(Profile(start_delay_s=START_S)), **options)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(stage.worker)
    running = asyncio.create_task(runner.run())
    await asyncio.sleep(0.1)
    try:
        yield stage
    finally:
        await stage.worker.cancel()
        await running
        assert stage.vendor.open_sessions == 0, "a session was left open"


async def test_a_reply_is_said_whole_and_remembered_whole() -> None:
    async with on_stage() as stage:
        await stage.reply()
        await asyncio.sleep(10)
        said = b"".join(c.pcm for c in stage.vendor.commands(Speak))
        assert said == voice(WORD_S * len(WORDS))
        assert len(stage.vendor.commands(EndSpeech)) == 1
        assert stage.after.heard() == WORDS
        assert stage.messages() == [" ".join(WORDS)]


@pytest.mark.parametrize("cut_s", [0.05 + 0.217 * n for n in range(20)])
async def test_the_context_holds_what_was_heard_at_any_cut(cut_s: float) -> None:
    async with on_stage() as stage:
        await stage.reply()
        before = sum(len(c.pcm) for c in stage.vendor.commands(Speak))
        assert before
        first_sent = stage.vendor.received[0][0]
        await asyncio.sleep(first_sent + cut_s - asyncio.get_running_loop().time())
        await stage.push(InterruptionFrame())
        await asyncio.sleep(5)
        heard_s = cut_s - START_S
        sure = [w for n, w in enumerate(WORDS) if (n + 1) * WORD_S <= heard_s - 0.15]
        possible = [w for n, w in enumerate(WORDS) if n * WORD_S <= heard_s]
        remembered = " ".join(stage.messages()).split()
        assert remembered == WORDS[: len(remembered)]
        assert len(sure) <= len(remembered) <= len(possible)
        assert len(stage.vendor.commands(Interrupt)) == 1


async def test_the_heard_words_come_first_then_the_interruption_once() -> None:
    async with on_stage() as stage:
        await stage.reply()
        await asyncio.sleep(1.5)
        await stage.push(InterruptionFrame())
        kinds = stage.after.kinds(HeardTextFrame, InterruptionFrame, LLMFullResponseEndFrame)
        assert kinds[-1] is InterruptionFrame
        assert kinds.count(InterruptionFrame) == 1
        assert LLMFullResponseEndFrame not in kinds
        cuts = [
            f.message["data"]
            for f in stage.after.down
            if isinstance(f, OutputTransportMessageUrgentFrame)
        ]
        assert [(c["type"], c["unheard"], c["hold"]) for c in cuts] == [("avatar-cut", True, False)]


async def test_speaking_is_announced_once_from_what_is_heard_and_in_both_directions() -> None:
    async with on_stage() as stage:
        await stage.reply()
        await asyncio.sleep(10)
        edges = (BotStartedSpeakingFrame, BotStoppedSpeakingFrame)
        assert stage.after.kinds(*edges) == list(edges)
        assert [type(f) for f in stage.before.up if isinstance(f, edges)] == list(edges)
        assert 15 <= len(stage.after.kinds(BotSpeakingFrame)) <= 25


async def test_a_goodbye_is_played_out_before_the_end() -> None:
    async with on_stage() as stage:
        await stage.reply()
        began = asyncio.get_running_loop().time()
        await stage.push(EndFrame())
        while not stage.after.kinds(EndFrame):
            await asyncio.sleep(0.05)
        assert asyncio.get_running_loop().time() - began > len(WORDS) * WORD_S - 0.5
        assert stage.after.heard() == WORDS
        assert stage.vendor.open_sessions == 0


async def test_frames_that_are_not_speech_pass_once_in_their_direction() -> None:
    class Odd(SystemFrame):
        pass

    async with on_stage() as stage:
        await stage.push(Odd())
        await stage.after.push_frame(UserImageRequestFrame(user_id="u"), FrameDirection.UPSTREAM)
        await asyncio.sleep(0.01)
        assert stage.after.kinds(Odd) == [Odd]
        assert sum(isinstance(f, UserImageRequestFrame) for f in stage.before.up) == 1


async def test_speech_that_made_no_sound_leaves_the_context_alone() -> None:
    async with on_stage() as stage:
        await stage.push(LLMFullResponseStartFrame(), TTSStartedFrame(context_id="c"))
        await stage.push(timed("silence", 0), TTSStoppedFrame(context_id="c"))
        await stage.push(LLMFullResponseEndFrame())
        await asyncio.sleep(1)
        assert stage.messages() == []


async def test_words_of_a_tts_without_times_are_heard_in_their_share_of_the_audio() -> None:
    async with on_stage() as stage:
        await stage.push(LLMFullResponseStartFrame(), TTSStartedFrame(context_id="c"), audio(2.0))
        await stage.push(TTSTextFrame("one two six ten", text_type=TextType.SENTENCE))
        await stage.push(TTSStoppedFrame(context_id="c"), LLMFullResponseEndFrame())
        await asyncio.sleep(START_S + 1.2)
        await stage.push(InterruptionFrame())
        await asyncio.sleep(0.1)
        assert stage.messages() == ["one two"]


async def test_words_of_a_voice_that_failed_were_not_heard() -> None:
    async with on_stage() as stage:
        await stage.push(LLMFullResponseStartFrame(), TTSStartedFrame(context_id="c"))
        await stage.push(TTSTextFrame("nobody hears this", text_type=TextType.SENTENCE))
        await stage.push(TTSStoppedFrame(context_id="c"), LLMFullResponseEndFrame())
        await asyncio.sleep(1)
        assert stage.after.heard() == []
        assert stage.messages() == []


async def test_word_that_comes_before_its_audio_is_heard_with_it() -> None:
    async with on_stage() as stage:
        await stage.push(LLMFullResponseStartFrame(), TTSStartedFrame(context_id="c"))
        word = TTSTextFrame("Hello", text_type=TextType.WORD)
        word.pts = 1
        await stage.push(word, audio(0.5))
        await stage.push(TTSStoppedFrame(context_id="c"), LLMFullResponseEndFrame())
        await asyncio.sleep(2)
        assert stage.messages() == ["Hello"]


async def test_last_word_is_remembered_with_what_closes_its_turn_in_front_of_the_end() -> None:
    async with on_stage() as stage:
        await stage.push(TTSStartedFrame(context_id="c"), audio(0.6))
        for number, text in enumerate(("Good", "morning")):
            word = TTSTextFrame(text, text_type=TextType.WORD)
            word.pts = stage.output.get_clock().get_time() + number * 300_000_000
            await stage.push(word)
        await stage.push(LLMAssistantPushAggregationFrame(), TTSStoppedFrame(context_id="c"))
        await asyncio.sleep(3)
        assert stage.messages() == ["Good morning"]


async def test_what_an_interruption_overtakes_is_not_said_behind_it() -> None:
    async with on_stage() as stage:
        old = [TTSStartedFrame(context_id="a"), audio(0.3), TTSStoppedFrame(context_id="a")]
        goodbye = TTSStartedFrame(context_id="kept")
        goodbye.interruptible = False
        new = [TTSStartedFrame(context_id="b"), audio(0.5), TTSStoppedFrame(context_id="b")]
        for frame in [*old, InterruptionFrame(), *new]:
            await stage.output.queue_frame(frame)  # nothing is processed in between
        await asyncio.sleep(2)
        assert [f.context_id for f in stage.after.down if isinstance(f, TTSStartedFrame)] == ["b"]
        said = b"".join(command.pcm for command in stage.vendor.commands(Speak))
        assert said == audio(0.5).audio
        assert stage.vendor.commands(Interrupt) == []
        await stage.output.queue_frame(goodbye)
        await stage.output.queue_frame(InterruptionFrame())
        await asyncio.sleep(0.1)
        assert goodbye in stage.after.down


async def test_interruption_comes_in_front_of_the_end_of_speech_that_it_brings() -> None:
    async with on_stage() as stage:
        await stage.reply()
        await asyncio.sleep(1.5)
        await stage.push(InterruptionFrame())
        await asyncio.sleep(0.1)
        kinds = stage.after.kinds(InterruptionFrame, BotStoppedSpeakingFrame)
        assert kinds == [InterruptionFrame, BotStoppedSpeakingFrame]


async def test_a_voice_at_another_rate_arrives_at_the_vendors() -> None:
    async with on_stage() as stage:
        await stage.push(TTSStartedFrame(context_id="c"))
        for _ in range(50):
            await stage.push(TTSAudioRawFrame(bytes(640), 16_000, 1, context_id="c"))
        await stage.push(TTSStoppedFrame(context_id="c"))
        await asyncio.sleep(2)
        samples = sum(len(c.pcm) // 2 for c in stage.vendor.commands(Speak))
        assert abs(samples - RATE) <= 1


async def test_a_suspected_cut_in_is_taken_back_and_no_word_is_lost_or_said_twice() -> None:
    async with on_stage() as stage:
        await stage.reply()
        await asyncio.sleep(1.5)
        await stage.output.hold()
        await asyncio.sleep(0.5)
        stage.output.resume()
        await asyncio.sleep(10)
        assert stage.after.heard() == WORDS
        assert stage.messages() == [" ".join(WORDS)]


async def test_a_lost_vendor_is_an_error_of_the_pipeline_and_says_no_secret() -> None:
    async with on_stage() as stage:
        await stage.reply()
        stage.vendor.says(GONE)
        await asyncio.sleep(1)
        errors = [f.error for f in stage.before.up if isinstance(f, ErrorFrame)]
        assert errors == ["the connection to memory was lost"]
        assert not stage.output.is_usable


async def test_the_end_does_not_wait_for_what_begins_after_the_vendor_was_lost() -> None:
    vendor = MemoryVendor()
    async with on_stage(vendor) as stage:
        vendor.says(GONE)
        await asyncio.sleep(0.1)
        await stage.push(TTSStartedFrame(context_id="c"))  # and the TTS was interrupted behind it
        asked_at = asyncio.get_running_loop().time()
        await stage.push(EndFrame())
        while not stage.after.kinds(EndFrame):
            await asyncio.sleep(0.01)
        assert asyncio.get_running_loop().time() - asked_at < 0.5


async def test_a_lost_vendor_cuts_off_who_still_speaks() -> None:
    vendor = MemoryVendor()
    async with on_stage(vendor) as stage:
        await stage.reply()
        await asyncio.sleep(1.0)
        vendor.says(GONE)
        await asyncio.sleep(0.1)
        assert [type(f) for f in stage.before.up if isinstance(f, InterruptionFrame)]
        assert stage.after.kinds(InterruptionFrame) == [InterruptionFrame]


async def test_an_error_that_is_gone_on_from_leaves_the_output_usable() -> None:
    vendor = MemoryVendor()
    vendor.refuses = True  # with 401, which Pipecat takes for lasting
    async with on_stage(vendor, stand_in=MemoryVendor(), goes_on_without=True) as stage:
        await asyncio.sleep(0.1)
        assert [f for f in stage.before.up if isinstance(f, ErrorFrame)]
        assert stage.output.is_usable


async def test_a_vendor_that_opens_slowly_holds_up_nobody() -> None:
    vendor = MemoryVendor(Profile(start_delay_s=START_S))
    vendor.opens_after_s = 10.0

    class Odd(SystemFrame):
        pass

    async with on_stage(vendor) as stage:
        await stage.reply()
        await stage.push(Odd())
        assert stage.after.kinds(Odd) == [Odd]
        await asyncio.sleep(20)
        assert stage.after.heard() == WORDS


async def test_the_page_learns_who_is_seen_and_no_log_learns_its_token() -> None:
    vendor = MemoryVendor(Profile(start_delay_s=START_S))
    vendor.room = {"kind": "livekit", "url": "wss://room.example", "token": "SECRET-room"}
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE", format="{message}")
    async with on_stage(vendor, stand_in=MemoryVendor()) as stage:
        stage.output.page_says("avatar-watch", {})
        stage.output.page_says("avatar-joined", {})
        await asyncio.sleep(0.1)
        stage.output.page_says("avatar-left", {})
        await asyncio.sleep(0.1)
        told = [
            frame.message["data"]
            for frame in stage.after.down
            if isinstance(frame, OutputTransportMessageUrgentFrame)
        ]
    logger.remove(sink)
    assert sorted(told, key=lambda data: data["type"] == "avatar-room") == [
        {"type": "avatar-face", "by": "vendor"},
        {"type": "avatar-face", "by": "local"},
        {"type": "avatar-room", **vendor.room},
    ]
    assert lines
    assert not any("SECRET" in line for line in lines)


async def test_who_asks_is_told_how_long_the_vendors_session_lasts() -> None:
    vendor = MemoryVendor(Profile(start_delay_s=START_S))
    vendor.opens_after_s, vendor.limit_s = 1.0, 1_200.0
    async with on_stage(vendor) as stage:
        told: list[float | None] = []

        @stage.output.event_handler("on_session_opened")
        async def note(_: object, limit_s: float | None) -> None:
            told.append(limit_s)

        await asyncio.sleep(2.0)
        assert told == [1_200.0]
