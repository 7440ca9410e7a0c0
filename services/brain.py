"""A conversation's language model without ears and voice, for a vendor that has both.

The vendor hears, asks `Brain.answer` for words and says them. What it then tells, `Brain.played`
and `Brain.cut` write into the context, which holds what the person has heard, as it does in a
pipeline that speaks itself.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

from pipecat.frames.frames import (
    ControlFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMAssistantAggregator
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

__all__ = ["Brain"]

SILENCE_S = 60.0
"""How long an answer may bring nothing; longer than any language model or tool of ours takes."""

_NO_SPACES = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_NO_SPACES}]|[^\s{_NO_SPACES}]+")
"""With the signs at it. In scripts without spaces each letter is one."""

KEPT = 8
"""Answers of which something may still be told."""

FORGOTTEN = 100
"""Rounds from before those: what is told of them is told for the second time."""


class _Heard(Enum):
    UNKNOWN = auto()
    WHOLE = auto()
    CUT = auto()


@dataclass(eq=False, slots=True)
class _Answer:
    """What was said in one round.

    Attributes:
        question: The person's message in the context; None where nobody asked.
        round_id: The vendor's name of the round.
        said: What was said, or was to be said, piece by piece.
        pieces: What was not taken yet, with None behind the last piece.
        inferences: How many answers of the language model are still to come.
        calls: What tools still work on.
        is_over: Whether nothing more comes.
        is_whole: Whether that is because all was said.
        heard: What is known of how much the person heard.
        reply: The assistant's message in the context, if there is one.
    """

    question: Any = None
    round_id: int | None = None
    said: list[str] = field(default_factory=list)
    pieces: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    inferences: int = 1
    calls: set[str] = field(default_factory=set)
    is_over: bool = False
    is_whole: bool = False
    heard: _Heard = _Heard.UNKNOWN
    reply: Any = None

    @property
    def text(self) -> str:
        return "".join(self.said).strip()

    def say(self, text: str) -> None:
        self.said.append(text)
        self.pieces.put_nowait(text)

    def end(self, *, whole: bool) -> None:
        """Nothing more comes; told again, it changes nothing."""
        if not self.is_over:
            self.is_over, self.is_whole = True, whole
            self.pieces.put_nowait(None)

    def begins_with(self, text: str) -> bool:
        """Whether it does, for ears: spaces and signs may have become others on the way."""
        return _letters(self.text).startswith(_letters(text))


@dataclass
class _Asked(InterruptionFrame):
    """Ends what was said before. Tools that are called from here on are called for an answer."""

    answer: _Answer


@dataclass
class _Begin(ControlFrame):
    """What is said behind this belongs to the answer. What is said in front of it may be old:
    an interruption overtakes.
    """


class Brain:
    """One conversation's language model, and what it remembers.

    Args:
        context: The conversation so far, with the tools.
        processors: The language model, with processors around it where there are any, in the
            order in which they would stand between the two context aggregators.
        failed: Told of every error in there. A bot hands it on to its own pipeline, upstream from
            the end, where errors come from: `partial(worker.queue_frame, direction=UPSTREAM)`.
    """

    def __init__(
        self,
        context: LLMContext,
        *processors: FrameProcessor,
        failed: Callable[[ErrorFrame], Awaitable[None]] | None = None,
    ) -> None:
        self._context = context
        self._answers: list[_Answer] = []  # oldest first
        self._forgotten: deque[int | None] = deque(maxlen=FORGOTTEN)
        self._over = False
        self._failed = failed
        self._worker = PipelineWorker(
            Pipeline([*processors, _Mouth(context)]),
            enable_rtvi=False,
            enable_turn_tracking=False,
            idle_timeout_secs=None,
        )
        self._worker.add_event_handler("on_pipeline_error", self._report)
        self._worker.add_event_handler("on_pipeline_finished", self._finish)

    @asynccontextmanager
    async def awake(self) -> AsyncIterator[None]:
        """It answers for as long as this is entered."""
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self._worker)
        running = asyncio.create_task(runner.run(), name="brain")
        try:
            yield
        finally:
            await self._finish()
            await self._worker.cancel(reason="the conversation is over")
            await running

    async def answer(self, text: str, *, round_id: int | None = None) -> AsyncGenerator[str, None]:
        """What there is to say to this, piece by piece. It interrupts an answer from before.

        Who stops to listen interrupts it as well: close the iterator then. A round that is asked
        once more takes the place of its first try. Nothing comes where the model fails, and where
        the conversation is over.

        Args:
            text: What the person said.
            round_id: The vendor's name of this round, to be named in `played` and `cut`.
        """
        if self._over:
            return
        answer = self._ask(text, round_id)
        frames = (_Asked(answer), _Begin(), LLMContextFrame(self._context))
        await self._worker.queue_frames(frames)
        try:
            while (piece := await self._next_of(answer)) is not None:
                yield piece
        finally:
            if not answer.is_over:
                await self._interrupt(answer)

    def remember(self, text: str) -> None:
        """The person has said this as well, and has cut in before it was asked for an answer."""
        said = _Answer({"role": "user", "content": text}, is_over=True, heard=_Heard.CUT)
        self._context.add_message(said.question)
        self._note(said)

    async def played(self, text: str, *, round_id: int | None = None, certain: bool = True) -> None:
        """The person has heard all of an answer, or of something else that was said to them.

        Args:
            text: What was said.
            round_id: In which round. Without it, the words tell which answer is meant.
            certain: Whether it was said. What is not may tell of answers that were given here, and
                adds no words to them.
        """
        answer = self._meant(text, round_id, certain=certain)
        if answer not in self._answers:
            return
        if answer.heard is _Heard.UNKNOWN and answer.is_over:
            answer.heard = _Heard.WHOLE
            self._write(answer, answer.text)

    async def cut(self, played_text: str, *, round_id: int | None = None) -> None:
        """The person has cut in. It says more than `played`, whichever of the two is told first.

        Args:
            played_text: What they had heard. The context keeps the words of the answer that this
                covers, and no others: what was heard is the beginning of what was said.
            round_id: As in `played`.
        """
        answer = self._meant(played_text, round_id)
        if answer not in self._answers or answer.heard is _Heard.CUT:
            return
        answer.heard = _Heard.CUT
        self._write(answer, _beginning(answer.text, played_text))
        if not answer.is_over:
            await self._interrupt(answer)

    def _ask(self, text: str, round_id: int | None) -> _Answer:
        for before in list(self._answers):
            if round_id is not None and before.round_id == round_id:
                self._withdraw(before)
            else:
                self._leave(before)
        answer = _Answer({"role": "user", "content": text}, round_id)
        self._context.add_message(answer.question)
        self._note(answer)
        return answer

    def _leave(self, before: _Answer) -> None:
        """Another round begins. What was said whole counts as heard, unless it is told otherwise.

        What was told may still be on its way, or lost, and a model that has forgotten what it just
        said is worse than one that believes it was heard.
        """
        before.end(whole=False)
        if before.is_whole and before.heard is _Heard.UNKNOWN and before.reply is None:
            self._write(before, before.text)

    def _withdraw(self, answer: _Answer) -> None:
        answer.end(whole=False)
        messages = self._context.get_messages()
        begin, end = _place(messages, answer.question), self._end_of(answer, messages)
        self._context.set_messages([*messages[:begin], *messages[end:]])
        self._answers.remove(answer)

    def _note(self, answer: _Answer) -> None:
        self._forgotten.extend(each.round_id for each in self._answers[: 1 - KEPT])
        self._answers = [*self._answers[1 - KEPT :], answer]

    async def _next_of(self, answer: _Answer) -> str | None:
        try:
            async with asyncio.timeout(SILENCE_S):
                return await answer.pieces.get()
        except TimeoutError:
            return None

    async def _interrupt(self, answer: _Answer) -> None:
        answer.end(whole=False)
        await self._worker.queue_frame(InterruptionFrame())

    def _meant(self, text: str, round_id: int | None, *, certain: bool = True) -> _Answer:
        """Of which answer something is told; a new one where it is of none, such as a greeting."""
        if round_id is not None:
            for each in self._answers:
                if each.round_id == round_id:
                    return each
        unnamed = [each for each in self._answers if round_id is None or each.round_id is None]
        fitting = [each for each in unnamed if each.begins_with(text)]
        unknown = [each for each in fitting if each.heard is _Heard.UNKNOWN]
        if unknown:
            return unknown[0]  # they are told of in their order
        if fitting and text:
            return fitting[-1]
        other = _Answer(round_id=round_id, said=[text], is_over=True)
        is_old = round_id is not None and round_id in self._forgotten
        if certain and not is_old and (text or round_id is not None):  # "" is to be known as well
            self._note(other)
        return other

    def _write(self, answer: _Answer, text: str) -> None:
        """Have the context say that this much of an answer was heard."""
        messages = [each for each in self._context.get_messages() if each is not answer.reply]
        answer.reply = {"role": "assistant", "content": text} if text else None
        if answer.reply:
            messages.insert(self._end_of(answer, messages), answer.reply)
        self._context.set_messages(messages)

    def _end_of(self, answer: _Answer, messages: list[Any]) -> int:
        """Where the messages of a round end: where the next one begins."""
        later = self._answers[self._answers.index(answer) + 1 :] if answer in self._answers else []
        begins = (each.question or each.reply for each in later)
        return min((_place(messages, each) for each in begins if each), default=len(messages))

    async def _report(self, _: object, error: ErrorFrame) -> None:
        if self._failed is not None:
            await self._failed(error)

    async def _finish(self, *_: object) -> None:
        self._over = True
        for answer in self._answers:
            answer.end(whole=False)


class _Mouth(LLMAssistantAggregator):
    """Pipecat's aggregator for what the model says and calls, which hands the words to an answer.

    Tools and their results go into the context as ever. Words do not: who says them tells what
    became of them.
    """

    def __init__(self, context: LLMContext) -> None:
        super().__init__(context)
        self._answer: _Answer | None = None
        self._has_begun = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take the words, and see when an answer is complete."""
        match frame:
            case InterruptionFrame():
                if self._answer:
                    self._answer.end(whole=False)
                self._answer = frame.answer if isinstance(frame, _Asked) else None
                self._has_begun = False
            case _Begin():
                self._has_begun = True
            case FunctionCallsStartedFrame() if self._answer:
                self._answer.calls |= {each.tool_call_id for each in frame.function_calls}
            case FunctionCallResultFrame() if not self._is_own(frame.tool_call_id):
                _keep_quiet(frame)
            case FunctionCallCancelFrame() if not self._is_own(frame.tool_call_id):
                frame.run_llm = False
            case LLMTextFrame() | TTSSpeakFrame():
                frame.append_to_context = False
                if self._answer and self._has_begun:
                    self._answer.say(frame.text)
        await super().process_frame(frame, direction)
        if self._answer and self._has_begun:
            self._see(self._answer, frame)

    def _see(self, answer: _Answer, frame: Frame) -> None:
        """Whether this was the last of an answer. What it leads to has been asked for by now."""
        match frame:
            case LLMFullResponseEndFrame():
                answer.inferences -= 1
            case FunctionCallCancelFrame():
                answer.calls.discard(frame.tool_call_id)
            case FunctionCallResultFrame() if _is_final(frame):
                answer.calls.discard(frame.tool_call_id)
        if not answer.calls and answer.inferences <= 0:
            answer.end(whole=True)
            self._answer = None

    async def push_context_frame(
        self, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        """Have the model go on; not where nobody listens."""
        if direction is FrameDirection.UPSTREAM:
            if self._answer is None:
                return
            self._answer.inferences += 1
        await super().push_context_frame(direction)

    def _is_own(self, call: str) -> bool:
        """Whether the answer that is being given waits for it."""
        return self._answer is not None and call in self._answer.calls


def _keep_quiet(frame: FunctionCallResultFrame) -> None:
    """What was called for an answer from before is for the context only: nobody waits for it."""
    frame.run_llm = False
    if frame.properties:
        frame.properties = replace(frame.properties, run_llm=False)


def _is_final(frame: FunctionCallResultFrame) -> bool:
    return frame.properties is None or frame.properties.is_final


def _place(messages: list[Any], message: Any) -> int:
    """Where a message stands; behind the last one where it does not any more."""
    return next((i for i, each in enumerate(messages) if each is message), len(messages))


def _beginning(said: str, heard: str) -> str:
    """The whole words with which a text begins, as far as what was heard goes along with them."""
    left, end = _letters(heard), 0
    for word in _WORD.finditer(said):
        letters = _letters(word.group())
        if not left or not left.startswith(letters):
            break
        left, end = left.removeprefix(letters), word.end()
    return said[:end]


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
