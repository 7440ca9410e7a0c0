import asyncio
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.frames.frames import (
    CancelFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputTransportMessageFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    TTSUpdateSettingsFrame,
)
from pipecat.tests.utils import run_test

from services.tts import LocalTTSService, LocalTTSSettings, preload

from .running import running

pytestmark = pytest.mark.real_loop  # espeak-ng works on a thread


async def spoken(*frames: Frame, service: LocalTTSService | None = None) -> list[Frame]:
    down, _ = await run_test(service or LocalTTSService(), frames_to_send=list(frames))
    return list(down)


def reply(*texts: str) -> list[Frame]:
    return [
        LLMFullResponseStartFrame(),
        *(LLMTextFrame(text) for text in texts),
        LLMFullResponseEndFrame(),
    ]


def text_of(frames: list[Frame]) -> str:
    return " ".join(frame.text for frame in frames if isinstance(frame, TTSTextFrame))


def samples(frames: list[Frame]) -> int:
    return sum(frame.num_frames for frame in frames if isinstance(frame, TTSAudioRawFrame))


@pytest.mark.asyncio
async def test_a_reply_is_one_utterance_that_stops_with_its_last_sample() -> None:
    began = time.monotonic()
    frames = await spoken(*reply("Hello. ", "How are ", "you?"))
    assert time.monotonic() - began < 5
    kinds = [type(frame) for frame in frames]
    assert kinds.count(TTSStartedFrame) == kinds.count(TTSStoppedFrame) == 1
    assert kinds.index(TTSStoppedFrame) > max(
        index for index, kind in enumerate(kinds) if kind is TTSAudioRawFrame
    )
    contexts = {frame.context_id for frame in frames if isinstance(frame, TTSAudioRawFrame)}
    assert len(contexts) == 1


@pytest.mark.asyncio
async def test_audio_comes_in_chunks_of_40_ms_at_24_khz() -> None:
    chunks = [f for f in await spoken(TTSSpeakFrame("Hello.")) if isinstance(f, TTSAudioRawFrame)]
    assert {chunk.sample_rate for chunk in chunks} == {24_000}
    assert {len(chunk.audio) for chunk in chunks[:-1]} == {1_920}


@pytest.mark.asyncio
async def test_every_word_carries_its_samples_in_order_within_the_audio() -> None:
    frames = await spoken(*reply("I am here, my friend. ", "It's 5:30 -- really!"))
    words = [frame for frame in frames if isinstance(frame, TTSTextFrame)]
    assert text_of(frames) == "I am here, my friend. It's 5:30 -- really!"
    times = [frame.metadata["avatarbot"] for frame in words]
    edges = [edge for word in times for edge in (word["start"], word["end"])]
    assert edges == sorted(edges)
    assert edges[0] == 0
    assert samples(frames) - 24_000 // 10 < edges[-1] <= samples(frames)


@pytest.mark.asyncio
async def test_words_and_mouth_shapes_come_before_their_audio() -> None:
    frames = await spoken(*reply("Hello there, this is a longer sentence. ", "And another one."))
    heard = 0
    shapes: list[list[object]] = []
    for frame in frames:
        if isinstance(frame, TTSAudioRawFrame):
            heard += frame.num_frames
        elif isinstance(frame, TTSTextFrame):
            assert frame.metadata["avatarbot"]["start"] >= heard
        elif isinstance(frame, OutputTransportMessageFrame):
            data = frame.message["data"]
            assert data["type"] == "visemes"
            assert data["sample_rate"] == 24_000
            assert data["visemes"][0][0] >= heard
            shapes += data["visemes"]
    assert shapes[0][0] == 0
    assert shapes[-1][1] == "sil"
    assert all(one[0] < other[0] for one, other in pairwise(shapes))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "text",
    [
        "A list: **one**, `two` and [three](http://example.org/3)!",
        '- one\n- two … and "three", then (four) — five.',
        "She said: <speak><break time='9s'/>hello</speak>.",
        "Well — yes … — and then 😀 😀",
        "Zoë’s café costs 3.50 € 😀 today.",
        "\x00 bell \x07 and \x1b[31mred\x1b[0m \ud83d",
    ],
)
async def test_text_comes_out_as_it_went_in(text: str) -> None:
    frames = await spoken(TTSSpeakFrame(text))
    assert samples(frames) > 0
    assert not any(isinstance(frame, ErrorFrame) for frame in frames)
    said = "".join(
        (frame.raw_text or frame.text) if frame.append_to_context else ""
        for frame in frames
        if isinstance(frame, TTSTextFrame)
    )
    assert "".join(said.split()) == "".join(text.split())


@settings(max_examples=15)
@given(st.text(max_size=80))
def test_any_text_ends_and_stops(text: str) -> None:
    frames = asyncio.run(spoken(TTSSpeakFrame(text), TTSSpeakFrame("Done.")))
    kinds = [type(frame) for frame in frames]
    assert kinds.count(TTSStartedFrame) == kinds.count(TTSStoppedFrame) >= 1
    assert "Done." in text_of(frames)


@pytest.mark.asyncio
async def test_text_with_nothing_to_say_stops_without_an_error() -> None:
    for _ in range(4):
        frames = await spoken(*reply("😀"))
        kinds = [type(frame) for frame in frames]
        assert TTSStoppedFrame in kinds
        assert ErrorFrame not in kinds


@pytest.mark.asyncio
@pytest.mark.parametrize("text", ["word " * 20_000, "x" * 100_000, "Some words. " * 8_000])
@pytest.mark.parametrize("as_reply", [True, False])
async def test_an_interruption_stops_100_kb_of_text_at_once(text: str, as_reply: bool) -> None:
    async with running(LocalTTSService()) as pipeline:
        await pipeline.send(*(reply(text) if as_reply else [TTSSpeakFrame(text)]))
        await pipeline.sink.next(TTSAudioRawFrame)
        await pipeline.send(InterruptionFrame())
        await pipeline.sink.next(InterruptionFrame)
        count = len(pipeline.sink.frames)
        await pipeline.send(TTSSpeakFrame("Next."))
        await pipeline.sink.find(lambda f: isinstance(f, TTSTextFrame) and f.text == "Next.")
        after = pipeline.sink.frames[count:]
    assert text_of(after) == "Next."
    assert after[-1] is not None


@pytest.mark.asyncio
async def test_after_an_interruption_times_start_again_at_zero() -> None:
    async with running(LocalTTSService()) as pipeline:
        await pipeline.send(LLMFullResponseStartFrame(), LLMTextFrame("One two three. Four"))
        await pipeline.sink.next(TTSTextFrame)
        await pipeline.send(InterruptionFrame())
        await pipeline.sink.next(InterruptionFrame)
        count = len(pipeline.sink.frames)
        await pipeline.send(*reply("Five six."))
        await pipeline.sink.next(TTSStoppedFrame, after=count)
        words = [f for f in pipeline.sink.frames[count:] if isinstance(f, TTSTextFrame)]
    assert [word.text for word in words] == ["Five", "six."]
    assert words[0].metadata["avatarbot"]["start"] == 0


@pytest.mark.asyncio
async def test_cancel_in_the_middle_of_a_long_text_ends_the_pipeline() -> None:
    async with running(LocalTTSService(), end=CancelFrame) as pipeline:
        await pipeline.send(TTSSpeakFrame("Some words. " * 2_000))
        await pipeline.sink.next(TTSAudioRawFrame)


@pytest.mark.asyncio
async def test_speed_can_be_changed_while_it_runs() -> None:
    faster = TTSUpdateSettingsFrame(delta=LocalTTSSettings(words_per_minute=300))
    async with running(LocalTTSService()) as pipeline:
        await pipeline.send(TTSSpeakFrame("What is your name?"))
        await pipeline.sink.next(TTSStoppedFrame)
        first = samples(pipeline.sink.frames)
        count = len(pipeline.sink.frames)
        await pipeline.send(faster, TTSSpeakFrame("What is your name?"))
        await pipeline.sink.next(TTSStoppedFrame, after=count)
        second = samples(pipeline.sink.frames[count:])
    assert second < 0.8 * first


def test_a_bad_setting_is_refused_when_the_service_is_built() -> None:
    with pytest.raises(ValueError, match="words_per_minute"):
        LocalTTSService(settings=LocalTTSSettings(words_per_minute=1_000))


def test_preload_may_be_called_twice() -> None:
    preload()
    preload()
