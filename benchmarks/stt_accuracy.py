"""How well and how fast the embedded ears hear: synthetic voices, noise, pauses, foreign speech.

`uv run python benchmarks/stt_accuracy.py --voices 6 --phrases 20`

Everything goes through the real service in a real pipeline: audio and the VAD's frames in,
transcripts out. One session per voice. The VAD is simulated with the delays of Pipecat's defaults
(start and stop 0.2 s), its frames come from downstream as they do in the bot. Accuracy is measured
faster than real time, latency in real time. The voices are espeak-ng's: no human voice was heard.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr
from loguru import logger
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

sys.path.insert(0, str(Path(__file__).parent.parent))

from services import espeak, stt
from services.espeak import Voice
from services.phrases import PHRASES, UNINTELLIGIBLE, every_phrase
from services.recognizer import RATE_HZ
from services.rules import normalise

Samples = npt.NDArray[np.float32]

VOICES = (
    Voice("en-us", 165, 50),
    Voice("en", 160, 45),
    Voice("en-us+f3", 175, 55),
    Voice("en-us+m3", 150, 40),
    Voice("en+f2", 165, 60),
    Voice("en-us+m7", 185, 50),
)
FOREIGN = (
    "the weather in paris is nice", "my dog likes to eat bananas", "where did you go yesterday",
    "i would like a pizza with cheese", "please open the window", "the train was late again",
    "can you book a flight to london", "what do you think about politics", "how much is the fish",
    "seven green apples fell down", "my sister lives in a small village", "turn left at the church",
    "can i pay with a credit card", "the meeting starts on monday", "how far is the station",
    "this soup needs a little more salt", "we should paint the kitchen yellow",
    "did you feed the cat", "nobody answered the door", "the report is due next week",
)  # fmt: skip
LOUDNESS = 3_000  # root mean square of the speech, of 32,767
VAD_S = 0.2
FRAME = RATE_HZ // 50
DEADLINE_S = 20.0


@dataclass
class Recorder(FrameProcessor):
    """The end of the pipeline: keeps transcripts, knows which audio has passed the service."""

    transcripts: asyncio.Queue[tuple[str, float]] = field(default_factory=asyncio.Queue)
    passed: int = 0

    def __post_init__(self) -> None:
        FrameProcessor.__init__(self)
        self._moved = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            assert frame.finalized
            self.transcripts.put_nowait((frame.text, time.monotonic()))
        if isinstance(frame, InputAudioRawFrame):
            self.passed += frame.num_frames
            self._moved.set()
        await self.push_frame(frame, direction)

    async def reach(self, samples: int) -> None:
        while self.passed < samples:
            self._moved.clear()
            await self._moved.wait()

    __hash__ = object.__hash__


class Person:
    """Talks to the service as microphone and VAD would."""

    def __init__(self, worker: PipelineWorker, recorder: Recorder, noise: float) -> None:
        self._worker = worker
        self._recorder = recorder
        self._noise = np.random.default_rng(1)
        self._level = noise
        self._sent = 0
        self._due = 0.0

    async def say(self, parts: Sequence[Samples], pause_s: float, *, live: bool = False) -> float:
        """Say parts with a pause between them; the time at which the VAD reported the end."""
        self._due = time.monotonic()  # one schedule for all of it: a late frame delays no other
        await self._send(np.zeros(RATE_HZ // 2, np.float32), live)
        for index, part in enumerate(parts):
            cut = min(round(VAD_S * RATE_HZ), len(part))
            await self._send(part[:cut], live)
            await self._vad(VADUserStartedSpeakingFrame(start_secs=VAD_S))
            await self._send(part[cut:], live)
            await self._send(np.zeros(round(VAD_S * RATE_HZ), np.float32), live)
            await self._vad(VADUserStoppedSpeakingFrame(stop_secs=VAD_S))
            ended = time.monotonic()
            if index + 1 < len(parts):
                await self._send(np.zeros(round((pause_s - VAD_S) * RATE_HZ), np.float32), live)
        return ended

    async def heard(self, within_s: float = DEADLINE_S) -> tuple[str, float]:
        """The next transcript and when it came; an empty one when there is none in time."""
        try:
            async with asyncio.timeout(within_s):
                return await self._recorder.transcripts.get()
        except TimeoutError:
            return "", time.monotonic()

    async def _send(self, clean: Samples, live: bool) -> None:
        noisy = clean + self._noise.normal(0, self._level, len(clean))
        pcm = np.clip(noisy, -32_768, 32_767).astype(np.int16)
        if not live:
            self._due = time.monotonic()
        for start in range(0, len(pcm), FRAME):
            frame = InputAudioRawFrame(pcm[start : start + FRAME].tobytes(), RATE_HZ, 1)
            self._sent += frame.num_frames
            await self._worker.queue_frame(frame)
            if live:
                self._due += frame.num_frames / RATE_HZ
                await asyncio.sleep(max(0.0, self._due - time.monotonic()))
        await self._recorder.reach(self._sent)

    async def _vad(self, frame: Frame) -> None:
        await self._recorder.push_frame(frame, FrameDirection.UPSTREAM)


@asynccontextmanager
async def session(snr_db: float) -> AsyncIterator[Person]:
    recorder = Recorder()
    worker = PipelineWorker(
        Pipeline([stt.LocalSTTService(), recorder]), cancel_on_idle_timeout=False, enable_rtvi=False
    )
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")
    async def on_started(*_: object) -> None:
        started.set()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await started.wait()
    try:
        yield Person(worker, recorder, LOUDNESS / 10 ** (snr_db / 20))
    finally:
        await worker.queue_frame(EndFrame())
        await running


def spoken(text: str, voice: Voice) -> Samples:
    pcm = np.frombuffer(espeak.speak(text, voice).pcm, np.int16).astype(np.float32)
    loud = np.flatnonzero(np.abs(pcm) > 100)
    speech = soxr.resample(pcm[loud[0] : loud[-1] + 1], espeak.RATE_HZ, RATE_HZ)
    return np.asarray(speech * (LOUDNESS / np.sqrt(np.mean(speech**2))), np.float32)


async def accuracy(voice: Voice, phrases: Sequence[str], snr_db: float) -> list[str]:
    """The phrases that were not heard right, with what was heard instead."""
    wrong = []
    async with session(snr_db) as person:
        for phrase in phrases:
            await person.say([spoken(phrase, voice)], 0)
            text, _ = await person.heard()
            if normalise(text) != phrase:
                wrong.append(f"{voice.name}: {phrase!r} heard as {text!r}")
    return wrong


async def foreign(voice: Voice, sentences: Sequence[str], snr_db: float) -> tuple[list[str], int]:
    """Sentences that were taken for a phrase, and how many were heard as nothing at all."""
    shipped = set(every_phrase())
    taken, nothing = [], 0
    async with session(snr_db) as person:
        for sentence in sentences:
            await person.say([spoken(sentence, voice)], 0)
            text, _ = await person.heard()
            nothing += text == UNINTELLIGIBLE
            if normalise(text) in shipped:
                taken.append(f"{voice.name}: {sentence!r} taken for {text!r}")
    return taken, nothing


async def pauses(voice: Voice, phrases: Sequence[str], snr_db: float) -> tuple[list[str], int]:
    """Phrases that were split at a pause inside them, and how many were heard right."""
    split, right = [], 0
    async with session(snr_db) as person:
        for phrase in phrases:
            words = phrase.split()
            middle = (len(words) + 1) // 2
            parts = [" ".join(words[:middle]), " ".join(words[middle:])]
            await person.say([spoken(part, voice) for part in parts], 0.5, live=True)
            text, _ = await person.heard()
            right += normalise(text) == phrase
            more, _ = await person.heard(within_s=2 * stt.DEFAULT_HOLD_S)
            if more:
                split.append(f"{voice.name}: {' ... '.join(parts)!r} heard as {text!r}, {more!r}")
    return split, right


async def latencies(voice: Voice, phrases: Sequence[str], snr_db: float) -> list[float]:
    """Milliseconds from the VAD's stop to the transcript of a phrase, in real time."""
    took = []
    async with session(snr_db) as person:
        for phrase in phrases:
            ended = await person.say([spoken(phrase, voice)], 0, live=True)
            text, at = await person.heard()
            if normalise(text) == phrase:
                took.append(1_000 * (at - ended))
    return took


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--voices", type=int, default=6, help=f"at most {len(VOICES)}")
    arguments.add_argument("--phrases", type=int, default=20, help="per voice")
    arguments.add_argument("--foreign", type=int, default=8, help="sentences per voice")
    arguments.add_argument("--pauses", type=int, default=40, help="utterances in all")
    arguments.add_argument("--live", type=int, default=20, help="utterances timed in real time")
    arguments.add_argument("--snr", type=float, default=20.0, help="dB, white noise")
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    logger.remove()
    stt.preload()
    draw = random.Random(options.seed)
    voices = VOICES[: options.voices]
    every = list(every_phrase())
    plain = [phrase for phrases in PHRASES.values() for phrase in phrases]
    names = sorted(set(every) - set(plain))

    def some(count: int) -> list[str]:
        """Phrases to say, one in ten of them an introduction, in no order."""
        return draw.sample(names, max(1, count // 10)) + draw.sample(plain, count - count // 10)

    wrong = [bad for v in voices for bad in await accuracy(v, some(options.phrases), options.snr)]
    said = sum(len(some(options.phrases)) for _ in voices)
    print(f"right: {100 * (1 - len(wrong) / said):.1f} % of {said} (target 95 %)")
    print(*wrong, sep="\n")

    outcomes = [
        await foreign(v, draw.sample(FOREIGN, options.foreign), options.snr) for v in voices
    ]
    taken = [bad for bads, _ in outcomes for bad in bads]
    count = len(voices) * options.foreign
    print(f"out of grammar accepted: {100 * len(taken) / count:.1f} % of {count} (target 2 %)")
    print(f"  heard as nothing: {sum(nothing for _, nothing in outcomes)}")
    print(*taken, sep="\n")

    long_ones = [phrase for phrase in every if len(phrase.split()) >= 3]
    share = options.pauses // len(voices) + 1
    halves = [await pauses(v, draw.sample(long_ones, share), options.snr) for v in voices]
    split = [bad for bads, _ in halves for bad in bads]
    count = share * len(voices)
    print(f"split at a pause of 0.5 s: {100 * len(split) / count:.1f} % of {count} (target 10 %)")
    print(f"  whole and right: {sum(right for _, right in halves)} of {count}")
    print(*split, sep="\n")

    per_voice = max(2, options.live // len(voices))
    took = [ms for v in voices for ms in await latencies(v, some(per_voice), options.snr)]
    ordered = sorted(took)
    print(
        f"transcript after VAD stop, {len(took)} phrases in real time: "
        f"median {statistics.median(took):.0f} ms, p95 {ordered[int(0.95 * len(took))]:.0f} ms, "
        f"spread {ordered[0]:.0f} to {ordered[-1]:.0f} ms"
    )


if __name__ == "__main__":
    asyncio.run(main())
