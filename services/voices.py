"""The voices of providers: Pipecat's services, which here tell truly what was said, and its end."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipecat.frames.frames import Frame, TTSStartedFrame, TTSStoppedFrame, TTSTextFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.elevenlabs.tts import ElevenLabsTTSService
from pipecat.services.tts_service import TTSService


class _Truthful(TTSService):
    """What a provider does not finish was not said, and is over all the same.

    When a connection breaks, or nothing comes for long, Pipecat's services hand over the rest of
    the text as if it had been said, and no end of the speech, for which an avatar would wait.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._finished: set[str | None] = set()  # contexts that the provider says are complete
        self._begun: str | None = None
        self._last_pts: int | None = None
        self._timed: Counter[str | None] = Counter()  # words of a context still to be pushed

    async def add_word_timestamps(
        self,
        word_times: list[tuple[str, float]],
        context_id: str | None = None,
        includes_inter_frame_spaces: bool | None = None,
        pre_merge_tokens: bool = False,
    ) -> None:
        """Queue the words that the provider has timed."""
        self._timed[context_id] += len(word_times)
        await super().add_word_timestamps(
            word_times, context_id, includes_inter_frame_spaces, pre_merge_tokens
        )

    async def append_to_audio_context(self, context_id: str | None, frame: Any) -> None:
        """Queue what the provider sent."""
        if isinstance(frame, TTSStoppedFrame):
            self._finished.add(context_id)
        await super().append_to_audio_context(context_id, frame)

    async def push_frame(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        """Push a frame, unless it is the rest of a text that was never said."""
        match frame:
            case TTSStartedFrame():
                self._begun, self._last_pts = frame.context_id, None
            case TTSStoppedFrame():
                self._begun = None
            case TTSTextFrame():
                if self._is_untold(frame):
                    return
                self._last_pts = frame.pts
        await super().push_frame(frame, direction)

    async def on_audio_context_completed(self, context_id: str) -> None:
        """All that there is of a speech has been pushed."""
        if self._begun == context_id:
            await self.push_frame(TTSStoppedFrame(context_id=context_id))
        self._forget(context_id)
        await super().on_audio_context_completed(context_id)

    async def on_audio_context_interrupted(self, context_id: str) -> None:
        """The rest of a speech is not wanted any more."""
        self._forget(context_id)
        await super().on_audio_context_interrupted(context_id)

    def _is_untold(self, word: TTSTextFrame) -> bool:
        """Whether this is the rest of a text of which the provider has told nothing.

        It has no time of its own: Pipecat gives it that of the word before it. Two words may also
        begin at the same time; but then the provider has timed both.
        """
        if self._timed[word.context_id] > 0:
            self._timed[word.context_id] -= 1
            return False
        return word.pts == self._last_pts and word.context_id not in self._finished

    def _forget(self, context_id: str) -> None:
        self._finished.discard(context_id)
        self._timed.pop(context_id, None)


class ElevenLabsVoice(_Truthful, ElevenLabsTTSService):
    """ElevenLabs over its WebSocket, with word times."""


class CartesiaVoice(_Truthful, CartesiaTTSService):
    """Cartesia over its WebSocket, with word times."""
