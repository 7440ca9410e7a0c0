"""The embedded voice as a Pipecat TTS service, with true word times and mouth shapes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipecat.frames.frames import (
    AggregatedTextFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    OutputTransportMessageFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.utils.text.base_text_aggregator import TextType
from pipecat.utils.types import NOT_GIVEN, NotGiven, assert_given

from . import espeak
from .espeak import EspeakError, Voice
from .narration import Narration, later, steps
from .rendering import Rendered, render
from .sentences import LONGEST, Sentences
from .wording import ends_sentence, passages

__all__ = ["LocalTTSService", "LocalTTSSettings", "preload"]

DEFAULT_RATE_HZ = 24_000

_CHUNK_S = 0.040
_SENTENCE_PAUSE_S = 0.25
_CLAUSE_PAUSE_S = 0.10
# Speech is made this far ahead of the clock at most: an endless text must not fill the memory.
_MOST_AHEAD_S = 30.0
# A context is ended by its turn. This only ends one whose turn was lost.
_LOST_TURN_S = 60.0


def preload() -> None:
    """Load what all sessions share. Starts no thread and opens nothing; survives a fork.

    Raises:
        EspeakError: espeak-ng's library cannot be loaded.
    """
    espeak.load()
    render(next(passages("Hello.")), Voice(), DEFAULT_RATE_HZ)


@dataclass
class LocalTTSSettings(TTSSettings):
    """How the voice sounds.

    Parameters:
        words_per_minute: 80 to 450.
        pitch: 0 to 99.
        pitch_range: 0 (monotone) to 99.
    """

    words_per_minute: int | NotGiven = field(default_factory=lambda: NOT_GIVEN)
    pitch: int | NotGiven = field(default_factory=lambda: NOT_GIVEN)
    pitch_range: int | NotGiven = field(default_factory=lambda: NOT_GIVEN)


class LocalTTSService(TTSService):
    """Speaks with espeak-ng: any text, no network, the first audio after a few milliseconds.

    Audio is 16-bit mono in chunks of 40 ms. In front of the audio that they belong to come the
    ``TTSTextFrame`` of every word, with ``metadata["avatarbot"] = {"start", "end"}`` in samples
    from the first sample of its context, and messages with mouth shapes (``docs/frames.md``).

    The context of a turn ends with the turn, that of a ``TTSSpeakFrame`` with its text.
    """

    Settings = LocalTTSSettings
    _settings: LocalTTSSettings

    def __init__(
        self,
        *,
        sample_rate: int = DEFAULT_RATE_HZ,
        settings: LocalTTSSettings | None = None,
        **kwargs: Any,
    ) -> None:
        """Build the service.

        Args:
            sample_rate: Of the audio that leaves, in Hz.
            settings: How the voice sounds; what is not given has a default.
            **kwargs: For Pipecat's :class:`TTSService`.

        Raises:
            ValueError: A setting is out of its range.
        """
        chosen = LocalTTSSettings(
            model=None,
            language=None,
            voice="en-us",
            words_per_minute=165,
            pitch=48,
            pitch_range=60,
        )
        if settings is not None:
            chosen.apply_update(settings)
        super().__init__(
            sample_rate=sample_rate,
            push_text_frames=False,
            push_start_frame=True,
            push_stop_frames=True,
            stop_frame_timeout_s=_LOST_TURN_S,
            settings=chosen,
            **kwargs,
        )
        self._voice()  # raises what is wrong with the settings
        self._narrations: dict[str, Narration] = {}
        self._sentences = Sentences()
        self._said_until = 0.0  # when all that was made will have been heard, by the loop's clock

    def can_generate_metrics(self) -> bool:
        return True

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Speak text into a context.

        Yields:
            Mouth shapes and audio; an :class:`ErrorFrame` when there is no such voice.
        """
        await self.start_tts_usage_metrics(text)
        narration = self._narrations.setdefault(context_id, Narration())
        pause_s = _SENTENCE_PAUSE_S if narration.samples else 0.0
        unreported = _words_to_report(text)
        for passage in passages(text):
            try:
                spoken = await asyncio.to_thread(render, passage, self._voice(), self.sample_rate)
            except (EspeakError, ValueError) as error:  # a setting was changed to what is none
                yield ErrorFrame(error=str(error))
                return
            for step in steps(spoken, round(pause_s * self.sample_rate), self.sample_rate):
                words = [later(word, narration.samples) for word in step.words]
                narration.announce(words)
                await self.add_word_timestamps(
                    [(word.text, word.start / self.sample_rate) for word in words[:unreported]],
                    context_id,
                )
                unreported = max(0, unreported - len(words))
                if step.visemes:
                    yield self._viseme_message(context_id, step, narration.samples)
                for chunk in _chunks(step.pcm, 2 * round(_CHUNK_S * self.sample_rate)):
                    yield TTSAudioRawFrame(chunk, self.sample_rate, 1, context_id=context_id)
                narration.samples += step.samples
            pause_s = _SENTENCE_PAUSE_S if ends_sentence(passage[-1]) else _CLAUSE_PAUSE_S
            await self._pace(spoken.samples / self.sample_rate)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Cut text into sentences of bounded length; the base class does the rest."""
        if isinstance(frame, LLMTextFrame) and not frame.skip_tts:
            for piece in _pieces(frame.text):
                await self._speak(await self._sentences.feed(piece), direction)
            return
        if isinstance(frame, TTSSpeakFrame) and len(frame.text) > LONGEST:
            await self._speak_long(frame, direction)
            return
        if isinstance(frame, LLMFullResponseEndFrame | EndFrame):
            await self._speak(await self._sentences.flush(), direction)
        elif isinstance(frame, InterruptionFrame):
            await self._sentences.clear()
            self._said_until = 0.0
        await super().process_frame(frame, direction)

    async def push_frame(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        """Push a frame; words get their true times."""
        if isinstance(frame, TTSTextFrame) and frame.context_id in self._narrations:
            times = self._narrations[frame.context_id].take(frame.text)
            if times is not None:
                frame.metadata["avatarbot"] = {"start": times[0], "end": times[1]}
        await super().push_frame(frame, direction)

    async def flush_audio(self, context_id: str | None = None) -> None:
        """End the context of a turn that produced no audio; Pipecat ends the others itself."""
        if context_id is not None and self.audio_context_available(context_id):
            await self.append_to_audio_context(context_id, TTSStoppedFrame(context_id=context_id))
            await self.remove_audio_context(context_id)

    async def on_audio_context_completed(self, context_id: str) -> None:
        self._narrations.pop(context_id, None)

    async def on_audio_context_interrupted(self, context_id: str) -> None:
        self._narrations.pop(context_id, None)

    async def _speak(self, sentences: Sequence[str], direction: FrameDirection) -> None:
        for sentence in sentences:
            frame = AggregatedTextFrame(sentence, TextType.SENTENCE)
            await super().process_frame(frame, direction)

    async def _speak_long(self, frame: TTSSpeakFrame, direction: FrameDirection) -> None:
        """Speak a long text as several, each a context of its own."""
        sentences = Sentences()
        for piece in [*_pieces(frame.text), None]:
            parts = await (sentences.flush() if piece is None else sentences.feed(piece))
            for text in parts:
                part = TTSSpeakFrame(text, append_to_context=frame.append_to_context)
                part.interruptible = frame.interruptible
                await super().process_frame(part, direction)

    async def _pace(self, made_s: float) -> None:
        """Wait while more speech was made than anybody will hear soon."""
        now = asyncio.get_running_loop().time()
        self._said_until = max(self._said_until, now) + made_s
        await asyncio.sleep(max(0.0, self._said_until - now - _MOST_AHEAD_S))

    def _voice(self) -> Voice:
        settings = self._settings
        return Voice(
            str(settings.voice),
            words_per_minute=assert_given(settings.words_per_minute),
            pitch=assert_given(settings.pitch),
            pitch_range=assert_given(settings.pitch_range),
        )

    def _viseme_message(
        self, context_id: str, step: Rendered, offset: int
    ) -> OutputTransportMessageFrame:
        shapes = [[offset + sample, shape] for sample, shape in step.visemes]
        return OutputTransportMessageFrame(
            message={
                "label": "rtvi-ai",
                "type": "server-message",
                "data": {
                    "type": "visemes",
                    "context": context_id,
                    "sample_rate": self.sample_rate,
                    "visemes": shapes,
                },
            }
        )


def _words_to_report(text: str) -> int:
    """How many of the text's words Pipecat is told of.

    With the last word that has a letter it takes what follows ("Hello 😀") as said, too; told of
    the rest as well, it would write that into the conversation twice.
    """
    words = text.split()
    lettered = [count for count, word in enumerate(words, 1) if any(map(str.isalnum, word))]
    return lettered[-1] if lettered else len(words)


def _pieces(text: str) -> Iterator[str]:
    return (text[start : start + LONGEST] for start in range(0, len(text), LONGEST))


def _chunks(pcm: bytes, size: int) -> Iterator[bytes]:
    return (pcm[start : start + size] for start in range(0, len(pcm), size))
