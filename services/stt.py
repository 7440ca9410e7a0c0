"""The embedded ears as a Pipecat STT service: the demo's phrases, and a guess at all else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    StartFrame,
    TranscriptionFrame,
    UserAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import STTService
from pipecat.transcriptions.language import Language
from pipecat.utils.time import time_now_iso8601

from . import recognizer
from .ears import Ears
from .intake import Intake
from .phrases import UNINTELLIGIBLE
from .recognizer import RATE_HZ, Recognizer

__all__ = ["LocalSTTService", "preload"]

# How long somebody who stopped inside a phrase may take to go on with it.
DEFAULT_HOLD_S = 0.8
# From the end of speech to the transcript (VAD stop 0.2 s included) of what had to be held:
# 0.2 s + the hold + the measured time that a guess takes (benchmarks/stt_accuracy.py).
_TTFS_P99_BEYOND_HOLD_S = 0.4
# Speech that was there before the VAD was sure of it; 0.2 s of it are the VAD's own start delay.
_PRE_ROLL_BYTES = 2 * RATE_HZ // 2
# A shorter sound that is no phrase was a cough or a door, and gets no answer.
_SHORTEST_SPEECH_S = 0.3


def preload() -> None:
    """Load the models that all sessions share. Starts no thread; survives a fork.

    Raises:
        RuntimeError: pocketsphinx cannot load its models.
    """
    recognizer.load()


class LocalSTTService(STTService):
    """Hears with pocketsphinx: no key, no network. For a demo's vocabulary, not for dictation.

    Decodes audio as it arrives, on a thread of its own. When the VAD says that the person went
    quiet:

    - The utterance is a phrase of :mod:`.phrases`: its transcript leaves at once.
    - It is not, or not yet: whoever goes on within ``hold_s`` goes on with the same utterance. Else
      the transcript is a guess in an open vocabulary, or :data:`.phrases.UNINTELLIGIBLE`.

    Every transcript is finalized: one for an utterance, none for a sound shorter than 0.3 s that is
    no phrase. Needs the VAD's frames, from either direction. Audio of any rate is taken.
    """

    def __init__(self, *, hold_s: float = DEFAULT_HOLD_S, **kwargs: Any) -> None:
        """Build the service. Its thread begins with the ``StartFrame``.

        Args:
            hold_s: How many seconds to wait, after the VAD's stop, for the rest of an incomplete
                phrase.
            **kwargs: For Pipecat's :class:`STTService`.
        """
        kwargs.setdefault("ttfs_p99_latency", 0.2 + hold_s + _TTFS_P99_BEYOND_HOLD_S)
        super().__init__(
            sample_rate=RATE_HZ,
            settings=STTSettings(model="pocketsphinx en-us", language=Language.EN),
            **kwargs,
        )
        self._hold_s = hold_s
        self._ears: Ears | None = None
        self._intake = Intake(RATE_HZ)
        self._recent = bytearray()  # what an utterance that begins now has to begin with
        self._user_talks = False  # by the VAD
        self._utterance_open = False
        self._talks_again = asyncio.Event()
        self._conclusion: asyncio.Task[None] | None = None
        self._bytes_heard = 0
        self._began_at = 0  # of the stretch of speech, in bytes heard
        self._spoke_s = 0.0  # in this utterance
        self._speaker = ""

    def can_generate_metrics(self) -> bool:
        return True

    async def start(self, frame: StartFrame) -> None:
        """Begin to listen."""
        await super().start(frame)
        self._ears = Ears()

    async def stop(self, frame: EndFrame) -> None:
        """Stop listening; what is not finished is not heard."""
        await super().stop(frame)
        await self._close()

    async def cancel(self, frame: CancelFrame) -> None:
        """Stop listening at once."""
        await super().cancel(frame)
        await self._close()

    async def cleanup(self) -> None:
        """Give back what is still held."""
        await super().cleanup()
        await self._close()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Follow the VAD; the base class does the rest."""
        if isinstance(frame, VADUserStartedSpeakingFrame):
            self._speech_begins(frame.start_secs)
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            self._speech_ends(frame.stop_secs)

    async def process_audio_frame(
        self, frame: InputAudioRawFrame, direction: FrameDirection
    ) -> None:
        """Bring audio of any rate and number of channels to what the model hears."""
        self._speaker = frame.user_id if isinstance(frame, UserAudioRawFrame) else ""
        pcm = self._intake.take(frame.audio, frame.sample_rate, frame.num_channels)
        if pcm:
            heard = UserAudioRawFrame(pcm, RATE_HZ, 1, user_id=self._speaker)
            await super().process_audio_frame(heard, direction)

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        """Hand audio (16-bit mono at 16 kHz) to the thread. Transcripts come by themselves."""
        self._bytes_heard += len(audio)
        self._recent += audio
        if self._utterance_open or not self._user_talks:
            del self._recent[:-_PRE_ROLL_BYTES]
        if self._utterance_open:
            self._submit_audio(audio)
        yield None

    def _speech_begins(self, start_s: float) -> None:
        if self._ears is None or self._user_talks:
            return
        self._user_talks = True
        self._began_at = self._bytes_heard - _bytes(start_s)
        if self._conclusion is None:
            self._open_utterance()
        else:
            self._talks_again.set()

    def _speech_ends(self, stop_s: float) -> None:
        if self._ears is None or not self._user_talks:
            return
        self._user_talks = False
        self._spoke_s += (self._bytes_heard - _bytes(stop_s) - self._began_at) / (2 * RATE_HZ)
        if self._conclusion is None and self._utterance_open:
            self._conclusion = self.create_task(self._conclude(self._ears), name="conclude")

    def _open_utterance(self) -> None:
        assert self._ears is not None
        self._utterance_open = True
        self._ears.submit(Recognizer.begin)
        self._submit_audio(bytes(self._recent))

    def _submit_audio(self, pcm: bytes) -> None:
        assert self._ears is not None
        self._ears.submit(partial(Recognizer.hear, pcm=pcm))

    async def _conclude(self, ears: Ears) -> None:
        """Decide what was said, after the VAD's stop, unless the person goes on with it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._hold_s
        text = await ears.submit(Recognizer.phrase)
        if text is None and await self._goes_on(deadline):
            ears.submit(Recognizer.resume)
        else:
            self._utterance_open = False
            if not self._user_talks:
                self._recent.clear()
            spoke_s, self._spoke_s = self._spoke_s, 0.0
            if text is None:
                guess = await ears.submit(Recognizer.guess)
                if spoke_s >= _SHORTEST_SPEECH_S:
                    text = guess or UNINTELLIGIBLE
            if text is not None:
                await self._push_transcript(text)
        self._conclusion = None
        self._catch_up(ears)

    def _catch_up(self, ears: Ears) -> None:
        """Do what the VAD's frames asked for while an utterance was being concluded."""
        if self._talks_again.is_set() and not self._utterance_open:
            self._open_utterance()
        self._talks_again.clear()
        if self._utterance_open and not self._user_talks:
            self._conclusion = self.create_task(self._conclude(ears), name="conclude")

    async def _goes_on(self, deadline: float) -> bool:
        try:
            async with asyncio.timeout_at(deadline):
                await self._talks_again.wait()
        except TimeoutError:
            return False
        return True

    async def _push_transcript(self, text: str) -> None:
        await self.emit_stt_usage_metrics()
        await self.push_frame(
            TranscriptionFrame(text, self._speaker, time_now_iso8601(), Language.EN, finalized=True)
        )

    async def _close(self) -> None:
        conclusion, self._conclusion = self._conclusion, None
        ears, self._ears = self._ears, None
        self._utterance_open = self._user_talks = False
        if conclusion is not None:
            await self.cancel_task(conclusion)
        if ears is not None:
            await ears.aclose()


def _bytes(seconds: float) -> int:
    return 2 * round(seconds * RATE_HZ)
