"""The voices of providers: Pipecat's services, which here always tell that they have finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipecat.frames.frames import Frame, TTSStartedFrame, TTSStoppedFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.elevenlabs.tts import ElevenLabsTTSService
from pipecat.services.tts_service import TTSService

_Base = TTSService if TYPE_CHECKING else object


class _Finishing(_Base):
    """Ends what began.

    Pipecat's services wait for the provider to say that a speech is over. Where the connection is
    lost, or nothing comes, it is over all the same, and an avatar that is not told goes on to wait.
    """

    _begun: str | None = None

    async def push_frame(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        """Push a frame, and remember which speech is open."""
        if isinstance(frame, TTSStartedFrame):
            self._begun = frame.context_id
        elif isinstance(frame, TTSStoppedFrame):
            self._begun = None
        await super().push_frame(frame, direction)

    async def on_audio_context_completed(self, context_id: str) -> None:
        """All of a speech that there is has been pushed."""
        if self._begun == context_id:
            await self.push_frame(TTSStoppedFrame(context_id=context_id))
        await super().on_audio_context_completed(context_id)


class ElevenLabsVoice(_Finishing, ElevenLabsTTSService):
    """ElevenLabs over its WebSocket, with word times."""


class CartesiaVoice(_Finishing, CartesiaTTSService):
    """Cartesia over its WebSocket, with word times."""
