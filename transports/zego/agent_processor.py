"""An agent of ZEGO's as a processor: it hears, thinks and speaks in a room of its own.

Stands where otherwise ears, brain, voice and face stand. No sound passes here: the person's
microphone and the agent's voice are in the vendor's room, and what was said comes as news of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TranscriptionFrame,
    TTSSpeakFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_response_universal import UserTurnMessageAddedMessage
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup
from pipecat.processors.frameworks.rtvi.frames import RTVIClientMessageFrame
from pipecat.utils.errors import ErrorCategory
from pipecat.utils.text.base_text_aggregator import TextType
from pipecat.utils.time import time_now_iso8601

from ..avatar.errors import AvatarError, Dismissed, PartFailed
from ..avatar.frames import METADATA_KEY
from ..avatar.user_leg import DownstreamLeg
from .agent import ZegoAgent
from .agent_news import AgentTold, Created, CutIn, Deleted, Trouble, hints
from .agent_news import Told as News
from .agent_session import AgentSession, Ask, Say
from .agent_talk import (
    PLAYED_S,
    AgentBegan,
    AgentStopped,
    Cut,
    Finished,
    NoAnswer,
    PersonBegan,
    PersonSaid,
    PersonStopped,
    Report,
    Says,
    Talk,
    Thinks,
)
from .agents import Message
from .told import Told

__all__ = ["ZegoAgentProcessor"]

GOODBYE_S = 12.0
"""How long the end waits for what is still to be heard."""

MOST_NEWS = 1_000
"""So many pieces of news may wait; more of them are a page that makes them up."""

SAME_TROUBLE_S = 10.0
"""The person is told once that a part does not work, and not of each try."""

NO_FACE = "There is no face left at the moment, so you only hear me."

NO_ANSWER = {"type": "no-answer"}

_LANGUAGE_MODEL = "language model"
_PARTS = {21: "ears", 22: _LANGUAGE_MODEL, 23: "voice"}
_LASTING = (2, 3, 5)  # the last digit of a code: parameters, key, not paid for


class ZegoAgentProcessor(FrameProcessor):
    """Lets an agent of ZEGO's hold the conversation.

    Takes typed texts (a `TranscriptionFrame` whose metadata says `typed`), `TTSSpeakFrame` and
    interruptions; makes the frames of which the page's states and bubbles are made. An
    `InterruptionFrame` that cut an answer says in its metadata what was heard of it (`played`),
    where the vendor has said so, or that it was all of it (`whole`).

    Event `on_user_turn_message_added(processor, message)`: what the person has said or typed, as
    Pipecat's user aggregator reports it.

    Event `on_session_opened(processor, limit_s)`: as `AvatarOutput` has it; nobody knows a limit.

    Nothing is raised into the pipeline: an `AvatarError` leaves upstream as an `ErrorFrame`.

    Args:
        agent: One instance, which lives as long as this processor.
        opens_at_once: Whether it is opened before a page asks for it (`avatar-watch`).
    """

    def __init__(self, agent: ZegoAgent, *, opens_at_once: bool = False) -> None:
        super().__init__(name="ZegoAgentProcessor")
        self._agent = agent
        self._opens_at_once = opens_at_once
        self._session = AgentSession(agent, self)
        self._talk = Talk(tells=agent.tells)
        self._leg = DownstreamLeg(self)
        self._reports: asyncio.Queue[Report] = asyncio.Queue()
        self._wakes = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._held: asyncio.Future[str | None] | None = None  # an interruption waits for its cut
        self._passed = asyncio.Event()
        self._watched = False
        self._troubles: dict[tuple[str, bool], float] = {}
        self._over = False
        self._known = asyncio.Event()  # whether it is there, or will not be
        self._said: list[Message] = []  # since it was opened; nothing that only the page knows
        self._register_event_handler("on_user_turn_message_added", sync=True)
        self._register_event_handler("on_session_opened")

    # Pipecat's `FrameProcessor.setup` differs from its own base in the same way.
    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Open the instance, where it is not to wait for a page."""
        await super().setup(setup)
        self._telling = self.create_task(self._tell())
        self._ticking = self.create_task(self._tick())
        if self._opens_at_once:
            self._session.start()

    async def cleanup(self) -> None:
        """End the instance, if nothing else did."""
        await super().cleanup()
        await self._end()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take what is for the agent, let everything else pass."""
        if isinstance(frame, InterruptionFrame):
            await self._interrupt(frame, direction)
            return
        await super().process_frame(frame, direction)
        if direction is FrameDirection.DOWNSTREAM and await self._take(frame):
            return
        await self.push_frame(frame, direction)

    async def _take(self, frame: Frame) -> bool:
        """Handle what travels downstream; True when the frame is not to be passed on."""
        match frame:
            case TTSSpeakFrame(text=text):
                self._session.say(text, remember=bool(frame.append_to_context))
                return True
            case TranscriptionFrame(text=text) if frame.metadata.get(METADATA_KEY, {}).get("typed"):
                await self._person_said(text)
                self._session.ask(text)
                return True
            case RTVIClientMessageFrame(type=kind) if kind.startswith("avatar-"):
                self.page_says(kind, frame.data if isinstance(frame.data, dict) else {})
                return True
            case EndFrame():
                await self._session.idle(within_s=GOODBYE_S)
                self._report(self._talk.over(now=self._now()))
                await self._said_by_now()
                await self._end()
            case CancelFrame():
                await self._end()
        return False

    async def _end(self) -> None:
        self._over = True
        self._known.set()
        await self._session.aclose()
        tasks, self._telling, self._ticking = (self._telling, self._ticking), None, None
        for task in tasks:
            if task is not None:
                await self.cancel_task(task)

    # Whoever asks for it

    def messages(self) -> list[dict[str, str]]:
        """What was said, as a context of Pipecat's has it.

        Once the instance has ended, it is what the vendor remembered, if it still said so.
        """
        remembered = self._session.remembered
        if remembered is None:
            remembered = [*self._agent.said_before, *self._said]
        return [{"role": each.role, "content": each.content} for each in remembered]

    @property
    def agent(self) -> ZegoAgent:
        """Whose instance it is."""
        return self._agent

    @property
    def instance(self) -> str | None:
        """The vendor's id of it; None before it is open."""
        return self._session.instance

    @property
    def room(self) -> str | None:
        """What its room is called; None before it is open."""
        return self._session.room

    @property
    def is_open(self) -> bool:
        """Whether there is an instance now."""
        return not self._over and self._session.is_open

    async def viewer(self) -> Mapping[str, str] | None:
        """What is needed to be in its room, with a token of minutes.

        It is opened, as by `avatar-watch`, and waited for. None: it could not be, or is over.
        """
        if self._telling is not None:
            self._session.start()
        else:  # it is about to be set up
            self._opens_at_once = True
        await self._known.wait()
        return self._session.viewer() if self.is_open else None

    async def dismiss(self) -> None:
        """End the instance for good, and the conversation with it: nobody else answers in it."""
        is_first, self._over = not self._over, True
        self._known.set()
        try:
            await self._session.aclose()
        finally:  # whoever asked may be gone by now
            if is_first:
                await self._end_with(Dismissed(self._agent.name))

    # The page, and the vendor

    def page_says(self, kind: str, data: Mapping[str, Any]) -> None:
        """What the page reports of the avatar; docs/frames.md lists it. Never raises."""
        match kind:
            case "avatar-watch" if not self._over:
                self._watched = True
                self._session.start()
                self._show()
            case "avatar-joined" | "avatar-left":
                is_heard = kind == "avatar-joined"
                self._session.heard(is_heard)
                if not is_heard:
                    self._session.look()  # perhaps it is over
                by = "vendor" if is_heard else "local"
                self.create_task(self._leg.tell_at_once({"type": "avatar-face", "by": by}))
            case "avatar-agent":
                for told in hints(data):
                    self._hear(told)

    def is_about(self, told: Told) -> bool:
        """Whether a callback is about this conversation."""
        if not isinstance(told, AgentTold):
            return False
        known = self._agent.is_about(told.room, told.instance)
        return known or self._agent.lacks_id(told.room, told.agent_user)

    async def hear(self, told: Told) -> None:
        """A callback, verified; one that is about another conversation means nothing here.

        It moves what is known of this one, and neither opens nor ends anything: that the instance
        is over is believed when the vendor says so itself.
        """
        if not isinstance(told, AgentTold):
            return
        if self._agent.lacks_id(told.room, told.agent_user):
            await self._agent.told_id(told.room, told.instance)
        if told.told is None or not self._agent.is_about(told.room, told.instance):
            return
        match told.told.news:
            case Created():
                self._session.there()
            case Deleted():
                self._session.look()
            case Trouble(code):
                await self._trouble(code)
                self._hear(told.told)
            case CutIn(played):
                self._hear(told.told)
                if self._agent.brain is not None:
                    await self._agent.brain.cut(played, round_id=_exact(told.told.round))
            case _:
                self._hear(told.told)

    def _hear(self, told: News) -> None:
        if self._reports.qsize() < MOST_NEWS:
            self._report(self._talk.tell(told, now=self._now()))

    async def _trouble(self, code: int) -> None:
        part = _PARTS.get(code // 100)
        if part is None:
            self._session.look()  # of its room: perhaps it is over
            return
        await self._part_failed(part, code, lasting=code % 10 in _LASTING)

    async def _part_failed(self, part: str, code: int | None, *, lasting: bool = False) -> None:
        now = self._now()
        if now < self._troubles.get((part, lasting), -SAME_TROUBLE_S) + SAME_TROUBLE_S:
            return
        self._troubles |= {(part, each): now for each in {lasting, False}}
        error = PartFailed(self._agent.name, part, code, lasting=lasting)
        await self._fail(error)

    async def brain_failed(self, error: ErrorFrame) -> None:
        """A brain of ours could not answer; the vendor will say that its language model failed."""
        self._troubles[_LANGUAGE_MODEL, False] = self._now()
        self._report(self._talk.failed())
        await self.push_frame(error, FrameDirection.UPSTREAM)

    # What the session says

    def opened(self) -> None:
        """It exists."""
        self._known.set()
        self._show()
        self.create_task(self._call_event_handler("on_session_opened", None))
        if not self._agent.has_face:
            self.create_task(self._leg.tell_at_once({"type": "notice", "text": NO_FACE}))

    def taken(self, order: Ask | Say, number: int | None) -> None:
        """The vendor has taken on what it was asked for."""
        match order:
            case Ask():
                self._report(self._talk.asked(number, now=self._now()))
            case Say(text):
                self._report(self._talk.said(number, text, now=self._now()))

    def cut(self) -> None:
        """The vendor has carried out a cut, of what it had taken on meanwhile as well."""
        self._report(self._talk.interrupted(now=self._now()))

    async def failed(self, error: AvatarError, *, ends: bool) -> None:
        """Something went wrong."""
        if ends:
            self._known.set()
        if self._over:
            return
        if ends:
            await self._end_with(error)
        else:
            if not self._talk.is_busy:  # what it was asked was refused
                await self._leg.tell_at_once(NO_ANSWER)
            await self._fail(error)

    async def _end_with(self, error: AvatarError) -> None:
        self._report(self._talk.interrupted(now=self._now()))  # it is silent now
        await self.push_error(str(error), exception=error, force_treat_as_permanent=True)

    async def _fail(self, error: AvatarError) -> None:
        # By its status alone Pipecat would take a refused key for the end of this processor.
        await self.push_error(str(error), exception=error, category=ErrorCategory.UNKNOWN)

    def _show(self) -> None:
        viewer = self._session.viewer()
        if viewer is not None and self._watched:
            self.create_task(self._leg.confide({"type": "avatar-room", **viewer}))

    # Cut-ins

    async def _interrupt(self, frame: InterruptionFrame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if self._talk.is_busy:
            self._session.interrupt()
            self._passed.clear()
            held = self._held = asyncio.get_running_loop().create_future()
            self._report(self._talk.interrupted(now=self._now()))
            with suppress(TimeoutError):
                async with asyncio.timeout(2 * PLAYED_S):
                    _mark(frame, await held)
        else:
            if self._session.is_asking:  # what it was asked just now is cut before it begins
                self._session.interrupt()
            else:
                self._session.drop()
            await self._finish_before(frame)
        try:
            await self.push_frame(frame, direction)
        finally:
            self._held = None
            self._passed.set()

    async def _finish_before(self, frame: InterruptionFrame) -> None:
        """An answer that was heard just now, unless more came of it, is whole."""
        reports = self._talk.interrupted(now=self._now())
        self._report(reports)
        for each in reports:
            if isinstance(each, Finished):
                await self._said_by_now()
                _mark(frame, each.text, whole=True)

    async def _said_by_now(self) -> None:
        """Returns when the pipeline was told what there was to tell."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PLAYED_S):
                await self._reports.join()

    async def _cut(self, cut: Cut) -> None:
        self._note("assistant", cut.known if cut.played is None else cut.played)
        if self._held is not None and not self._held.done():
            self._held.set_result(cut.played)
            await self._passed.wait()  # a stop that it brings comes behind it
            return
        frame = InterruptionFrame()
        _mark(frame, cut.played)
        await self.push_frame(frame)

    # What the pipeline is told

    def _report(self, reports: list[Report]) -> None:
        for report in reports:
            self._reports.put_nowait(report)
        self._wakes.set()

    async def _tell(self) -> None:
        while True:
            await self._say(await self._reports.get())
            self._reports.task_done()

    async def _say(self, report: Report) -> None:
        match report:
            case PersonBegan():
                await self.broadcast_frame(UserStartedSpeakingFrame)
            case PersonStopped():
                await self.broadcast_frame(UserStoppedSpeakingFrame)
            case PersonSaid(text, hinted):
                await self._person_said(text, hinted=hinted)
            case Thinks():
                await self.push_frame(LLMFullResponseStartFrame())
            case NoAnswer(unexplained):
                await self.push_frame(LLMFullResponseEndFrame())
                await self._leg.tell_at_once(NO_ANSWER)
                if unexplained:
                    await self._part_failed(_LANGUAGE_MODEL, None)
            case Says(text):
                await self.push_frame(_words(text))
            case Finished(text, number):
                known = self._talk.known(number)  # a page may make words up
                self._note("assistant", known)
                await self.push_frame(LLMFullResponseEndFrame())
                if self._agent.brain is not None:
                    await self._agent.brain.played(
                        known or text, round_id=_exact(number), certain=bool(known)
                    )
            case Cut():
                await self._cut(report)
            case AgentBegan():
                await self.broadcast_frame(BotStartedSpeakingFrame)
            case AgentStopped():
                await self.broadcast_frame(BotStoppedSpeakingFrame)

    async def _tick(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._talk.next_at):
                    await self._wakes.wait()
            reports = self._talk.tick(now=self._now())
            self._report(reports)
            self._wakes.clear()

    async def _person_said(self, text: str, *, hinted: bool = False) -> None:
        if not hinted:
            self._note("user", text)
        message = UserTurnMessageAddedMessage(content=text, timestamp=time_now_iso8601())
        await self._call_event_handler("on_user_turn_message_added", message)

    def _note(self, role: str, text: str) -> None:
        if text.strip():
            self._said.append(Message(role, text))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _exact(number: int) -> int | None:
    """The round as the vendor has it, if it is known exactly (see `agent_news`)."""
    return number if 0 < number < 2**53 else None


def _words(text: str) -> TTSTextFrame:
    frame = TTSTextFrame(text=text, text_type=TextType.SENTENCE)
    frame.includes_inter_frame_spaces = True
    return frame


def _mark(frame: InterruptionFrame, played: str | None, *, whole: bool = False) -> None:
    if played is not None:
        frame.metadata[METADATA_KEY] = {"played": played} | ({"whole": True} if whole else {})
