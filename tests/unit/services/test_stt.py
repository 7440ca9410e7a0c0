import asyncio
import threading

import numpy as np
import pytest
import soxr
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from services import espeak
from services.espeak import Voice
from services.phrases import UNINTELLIGIBLE
from services.recognizer import RATE_HZ
from services.stt import LocalSTTService, preload

from .running import Running, running

pytestmark = pytest.mark.real_loop  # the recognizer works on a thread
NEVER_S = 60.0
AT_ONCE_S = 0.0


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    preload()


def speech(text: str, rate_hz: int = RATE_HZ) -> bytes:
    pcm = np.frombuffer(espeak.speak(text, Voice()).pcm, np.int16).astype(np.float32)
    loud = np.flatnonzero(np.abs(pcm) > 100)
    resampled = soxr.resample(pcm[loud[0] : loud[-1] + 1], espeak.RATE_HZ, rate_hz)
    return bytes((resampled * 0.7).astype(np.int16))


def silence(seconds: float, rate_hz: int = RATE_HZ) -> bytes:
    return bytes(2 * round(seconds * rate_hz))


def frames(pcm: bytes, rate_hz: int = RATE_HZ) -> list[Frame]:
    step = rate_hz // 50 * 2
    return [
        InputAudioRawFrame(pcm[start : start + step], rate_hz, 1)
        for start in range(0, len(pcm), step)
    ]


async def hear(pipeline: Running, pcm: bytes, rate_hz: int = RATE_HZ) -> None:
    """Send audio, and wait until the service has taken it."""
    sent = frames(pcm, rate_hz)
    await pipeline.send(*sent)
    await pipeline.sink.find(lambda frame: frame is sent[-1])


async def say(pipeline: Running, pcm: bytes, rate_hz: int = RATE_HZ) -> None:
    """Speech as microphone and VAD report it: both are sure 0.2 s late."""
    cut = rate_hz // 5 * 2
    await hear(pipeline, silence(0.3, rate_hz) + pcm[:cut], rate_hz)
    await pipeline.send_upstream(VADUserStartedSpeakingFrame(start_secs=0.2))
    await hear(pipeline, pcm[cut:] + silence(0.2, rate_hz), rate_hz)
    await pipeline.send_upstream(VADUserStoppedSpeakingFrame(stop_secs=0.2))


async def transcript(pipeline: Running, after: int = 0) -> str:
    frame = await pipeline.sink.next(TranscriptionFrame, after)
    assert isinstance(frame, TranscriptionFrame)
    assert frame.finalized
    return frame.text


def heard(pipeline: Running) -> list[str]:
    return [f.text for f in pipeline.sink.frames if isinstance(f, TranscriptionFrame)]


def ears() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ears"]


@pytest.mark.asyncio
async def test_a_phrase_is_finalized_without_waiting_for_more() -> None:
    async with running(LocalSTTService(hold_s=NEVER_S)) as pipeline:
        await say(pipeline, speech("what is your name"))
        assert await transcript(pipeline) == "what is your name"


@pytest.mark.asyncio
@pytest.mark.parametrize("rate_hz", [24_000, 44_100, 48_000])
async def test_audio_of_another_rate_is_understood(rate_hz: int) -> None:
    async with running(LocalSTTService(hold_s=AT_ONCE_S)) as pipeline:
        await say(pipeline, speech("what is your name", rate_hz), rate_hz)
        assert await transcript(pipeline) == "what is your name"


@pytest.mark.asyncio
async def test_a_pause_inside_a_phrase_does_not_split_it() -> None:
    async with running(LocalSTTService(hold_s=NEVER_S)) as pipeline:
        await say(pipeline, speech("what is your"))
        await say(pipeline, speech("name"))
        assert await transcript(pipeline) == "what is your name"
    assert heard(pipeline) == ["what is your name"]


@pytest.mark.asyncio
async def test_two_phrases_are_two_transcripts() -> None:
    async with running(LocalSTTService(hold_s=NEVER_S)) as pipeline:
        await say(pipeline, speech("what is your name"))
        await transcript(pipeline)
        count = len(pipeline.sink.frames)
        await say(pipeline, speech("what time is it"))
        assert await transcript(pipeline, after=count) == "what time is it"


@pytest.mark.asyncio
async def test_what_is_no_phrase_becomes_a_guess_in_other_words() -> None:
    async with running(LocalSTTService(hold_s=AT_ONCE_S)) as pipeline:
        await say(pipeline, speech("what do you think about politics"))
        text = await transcript(pipeline)
    assert len(text.split()) >= 3


@pytest.mark.asyncio
async def test_a_long_sound_that_is_no_speech_is_answered_all_the_same() -> None:
    async with running(LocalSTTService(hold_s=AT_ONCE_S)) as pipeline:
        await say(pipeline, silence(1.0))
        assert await transcript(pipeline) == UNINTELLIGIBLE


@pytest.mark.asyncio
async def test_a_click_has_no_transcript() -> None:
    async with running(LocalSTTService(hold_s=AT_ONCE_S)) as pipeline:
        await say(pipeline, silence(0.22))
        await say(pipeline, speech("what is your name"))
        await transcript(pipeline)
    assert len(heard(pipeline)) == 1


@pytest.mark.asyncio
async def test_an_interruption_does_not_cost_the_words_that_caused_it() -> None:
    async with running(LocalSTTService(hold_s=NEVER_S)) as pipeline:
        pcm = speech("what is your name")
        await hear(pipeline, silence(0.3) + pcm[:6_400])
        await pipeline.send_upstream(VADUserStartedSpeakingFrame(start_secs=0.2))
        await pipeline.send(InterruptionFrame())
        await pipeline.sink.next(InterruptionFrame)
        await hear(pipeline, pcm[6_400:] + silence(0.2))
        await pipeline.send_upstream(VADUserStoppedSpeakingFrame(stop_secs=0.2))
        assert await transcript(pipeline) == "what is your name"


@pytest.mark.asyncio
@pytest.mark.parametrize("end", [EndFrame, CancelFrame])
async def test_a_session_that_ends_while_something_is_held_leaves_no_thread(
    end: type[Frame],
) -> None:
    async with running(LocalSTTService(hold_s=NEVER_S), end=end) as pipeline:
        await say(pipeline, speech("what is your"))
        assert len(ears()) == 1
    assert not ears()
    assert not heard(pipeline)


@pytest.mark.asyncio
async def test_bad_audio_does_no_harm() -> None:
    bad = [
        InputAudioRawFrame(b"", RATE_HZ, 1),
        InputAudioRawFrame(b"\1", RATE_HZ, 1),
        InputAudioRawFrame(b"\1\2\3", RATE_HZ, 1),
        InputAudioRawFrame(b"\1\2\3\4", 0, 1),
        InputAudioRawFrame(b"\1\2\3\4\5", 44_100, 2),
    ]
    async with running(LocalSTTService(hold_s=AT_ONCE_S)) as pipeline:
        await pipeline.send_upstream(VADUserStoppedSpeakingFrame(stop_secs=0.2))
        await pipeline.send(*bad)
        await pipeline.send_upstream(VADUserStartedSpeakingFrame(start_secs=0.2))
        await pipeline.send_upstream(VADUserStartedSpeakingFrame(start_secs=0.2))
        await pipeline.send(*bad)
        await pipeline.send_upstream(VADUserStoppedSpeakingFrame(stop_secs=0.2))
        await say(pipeline, speech("what is your name"))
        await transcript(pipeline)
    assert not any(isinstance(frame, ErrorFrame) for frame in pipeline.sink.frames)


@pytest.mark.asyncio
async def test_four_sessions_hear_at_the_same_time_and_the_loop_stays_free() -> None:
    phrases = ("what is your name", "what can you do", "what is your name", "how are you")
    stalls: list[float] = []

    async def watch() -> None:
        now = asyncio.get_running_loop().time
        while True:
            before = now()
            await asyncio.sleep(0.005)
            stalls.append(now() - before - 0.005)

    async def session(audio: bytes) -> str:
        async with running(LocalSTTService(hold_s=AT_ONCE_S)) as pipeline:
            await say(pipeline, audio)
            return await transcript(pipeline)

    audio = [speech(phrase) for phrase in phrases]
    watching = asyncio.create_task(watch())
    assert tuple(await asyncio.gather(*map(session, audio))) == phrases
    watching.cancel()
    assert max(stalls) < 1.0  # decoding it all on the loop takes longer, even on an idle machine
    assert not ears()


@pytest.mark.asyncio
async def test_the_hold_is_part_of_the_latency_that_is_announced() -> None:
    async with running(LocalSTTService(hold_s=0.5)) as pipeline:
        metadata = await pipeline.sink.next(STTMetadataFrame)
    assert isinstance(metadata, STTMetadataFrame)
    assert metadata.ttfs_p99_latency >= 0.2 + 0.5


def test_preload_starts_no_thread_and_may_be_called_twice() -> None:
    before = threading.active_count()
    preload()
    preload()
    assert threading.active_count() == before
