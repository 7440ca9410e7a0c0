"""What fails becomes a sentence for the person, and the end where nothing else is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    EndWorkerFrame,
    ErrorFrame,
    Frame,
    InputTransportStartAudioStreamingFrame,
    OutputTransportMessageUrgentFrame,
    TTSSpeakFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi.models import ServerMessage
from pipecat.services.llm_service import LLMService
from pipecat.services.tts_service import TTSService, WebsocketTTSService
from pipecat.utils.errors import ErrorCategory

# A service that cannot connect says why, and then once more that it could not do its work.
_SAME_TROUBLE_S = 3.0


@dataclass(frozen=True, slots=True)
class Part:
    """How sentences name a part of the conversation.

    Attributes:
        title: Their subject, with a comma where one has to follow.
        key: The setting with its key; empty for a part without one.
        choices: The settings with what else it has to know.
        explain: Says an error of the part's own kinds in a sentence, and None of all others, which
            are for the log unless they last. Where there is none, Pipecat's category is said.
        instead: A sentence about what takes its place when it fails and the conversation goes on.
    """

    title: str
    key: str = ""
    choices: str = ""
    explain: Callable[[Exception], str | None] | None = None
    instead: str = ""


_LASTING = {
    ErrorCategory.AUTHENTICATION: "{title} does not accept the key. Check {key}.",
    ErrorCategory.AUTHORIZATION: "{title} does not allow this with the key in {key}.",
    ErrorCategory.INVALID_REQUEST: "{title} refuses what it is asked. Check {choices}.",
    ErrorCategory.RATE_LIMIT: "{title} takes no more sessions now. Start again in a minute.",
    ErrorCategory.CONNECTIVITY: "{title} cannot be reached. Check the network.",
}
_PASSING = {
    ErrorCategory.RATE_LIMIT: "{title} takes no more requests now. Wait a minute, then try again.",
    ErrorCategory.QUOTA: "{title} says that the account has no credit left.",
    ErrorCategory.CONNECTIVITY: "{title} cannot be reached at the moment. Please try again.",
    ErrorCategory.SERVER: "{title} has a problem of its own. Please try again.",
}
_BROKEN = "{title} does not work. Check {choices}."
_SILENT = "{title} gave no answer. Please try again."
_ENDS = "The conversation ends here."
_UNNAMED_END = "Something that this conversation needs has failed, so it ends here."


def sentence(
    part: Part, category: ErrorCategory, *, lasting: bool, error: Exception | None = None
) -> str:
    """What the person is told of an error. It quotes nobody, so that it cannot hold a key."""
    if lasting and not part.key:
        return _UNNAMED_END
    text = part.explain(error) if part.explain and error else None
    if text is None:
        patterns, otherwise = (_LASTING, _BROKEN) if lasting else (_PASSING, _SILENT)
        pattern = patterns.get(category, otherwise)
        text = pattern.format(title=part.title, key=part.key, choices=part.choices)
    return f"{text} {_ENDS if lasting else part.instead}".strip()


def _is_unexplained(part: Part, error: ErrorFrame) -> bool:
    if part.explain is None:
        return False
    return error.exception is None or part.explain(error.exception) is None


class TroubleProcessor(FrameProcessor):
    """Tells the page what fails, as a `notice`, and ends a conversation that cannot go on.

    Goes first into the pipeline: errors travel upstream, and end here. Pipecat would tell the page
    in the words of whichever library raised them. What fails before the page is there is told when
    it is. Where the language model fails, the voice says so too: whoever asked, listens.

    Args:
        parts: The services, and whatever else has a name of its own.
    """

    def __init__(self, parts: Mapping[FrameProcessor, Part]) -> None:
        super().__init__()
        self._parts = parts
        self._page_is_there = False
        self._over = False
        self._waiting: list[ErrorFrame] = []
        self._explained_at: dict[FrameProcessor, float] = {}
        for service in parts:
            if isinstance(service, WebsocketTTSService):
                service.add_event_handler("on_disconnected", self._voice_lost)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take errors, and let everything else pass."""
        await super().process_frame(frame, direction)
        if isinstance(frame, ErrorFrame) and direction is FrameDirection.UPSTREAM:
            await self._failed(frame)
            return
        if isinstance(frame, EndFrame | CancelFrame):
            self._over = True
        await self.push_frame(frame, direction)
        if isinstance(frame, InputTransportStartAudioStreamingFrame):
            self._page_is_there = True
            waiting, self._waiting = self._waiting, []
            for error in waiting:
                await self._failed(error)

    async def _failed(self, error: ErrorFrame) -> None:
        if self._over or error.category is ErrorCategory.APPLICATION:
            return  # of a tool that failed the language model is told, and tells it in its words
        if not self._page_is_there:
            self._waiting.append(error)
            return
        service = error.processor
        lasting = service is not None and not service.is_usable
        if self._is_explained(error) and not lasting:
            return
        part = self._parts.get(service) if service else None
        if not lasting and (part is None or _is_unexplained(part, error)):
            return  # a processor of ours that failed once: for the log, not for the person
        category = error.category or ErrorCategory.UNKNOWN
        text = sentence(part or Part(""), category, lasting=lasting, error=error.exception)
        await self._tell(text, ends=lasting)
        if lasting:
            self._over = True
            await self.push_frame(EndWorkerFrame(), FrameDirection.UPSTREAM)
        elif isinstance(service, LLMService):
            await self.push_frame(TTSSpeakFrame(text, append_to_context=False))

    def _is_explained(self, error: ErrorFrame) -> bool:
        """Whether the person knows already why this part failed just now."""
        now = asyncio.get_running_loop().time()
        if error.processor is None:
            return False
        if error.category is not ErrorCategory.UNKNOWN:
            self._explained_at[error.processor] = now
            return False
        return now - self._explained_at.get(error.processor, -_SAME_TROUBLE_S) < _SAME_TROUBLE_S

    async def _voice_lost(self, service: TTSService) -> None:
        """The connection broke, and a new one is made: nothing else reports this."""
        if self._page_is_there and not self._over and service.is_usable:
            title = self._parts[service].title
            await self._tell(f"{title} was lost for a moment. A piece of the answer is missing.")

    async def _tell(self, text: str, *, ends: bool = False) -> None:
        notice = ServerMessage(
            data={"type": "notice", "text": text} | ({"ends": True} if ends else {})
        )
        await self.push_frame(OutputTransportMessageUrgentFrame(message=notice.model_dump()))
