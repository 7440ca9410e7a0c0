"""Pipecat in, avatar out: turns the frames of the TTS into speech of a face.

A plain processor, not a `BaseOutputTransport`: in front of `user.output()` that class would swallow
RTVI messages, drop frames until it is ready, and say everything twice. It forwards each frame that
it does not hold, once, in its own direction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    AggregatedTextProgressFrame,
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    LLMAssistantPushAggregationFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    OutputTransportMessageFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import (
    FrameCallback,
    FrameDirection,
    FrameProcessor,
    FrameProcessorSetup,
)
from pipecat.processors.frameworks.rtvi.frames import RTVIClientMessageFrame
from pipecat.utils.errors import ErrorCategory

from .errors import AvatarError
from .frames import METADATA_KEY, HeardTextFrame
from .overtaken import Overtaken
from .reports import CarriedBy, Cut, Heard, Report, Speaking, SpeakingStarted, SpeakingStopped
from .resampling import Resampler
from .stage import Stage
from .user_leg import DownstreamLeg
from .vendor import Opened, Vendor
from .words import WordTimes

__all__ = ["AvatarOutput"]

GOODBYE_GRACE_S = 5.0
READY_TIMEOUT_S = 15.0


class AvatarOutput(FrameProcessor):
    """Lets a vendor's face say what the TTS says.

    Takes 16-bit PCM of any rate and number of channels; the vendor gets one channel at its
    profile's rate. Words are taken with exact times (`metadata["avatarbot"]`), with Pipecat's
    `pts`, or without any.

    Event `on_session_opened(output, limit_s)`: the vendor's session exists, and ends by itself
    after so many seconds (None: nobody knows). Some avatars say nothing more from then on.

    Nothing is raised into the pipeline: an `AvatarError` of the vendor leaves upstream as an
    `ErrorFrame` and makes this processor unusable, and Pipecat's `processor_unusable_policy`
    decides about the rest.

    Args:
        vendor: Who renders the face; its session lives as long as this processor.
        stand_in: Carries the speech on the user leg, for example `LocalVendor()`, for as long as
            the vendor is not ready or the page has not said that it shows the face
            (`avatar-joined`; docs/frames.md). Without one, all speech goes to the vendor: right
            where the app itself knows that the person watches.
        goes_on_without: The stand-in goes on alone where the vendor cannot be started, or is lost;
            its error leaves this processor usable then.
        opens_when_watched: The vendor's session, which costs money, is not opened before a page
            asks for it (`avatar-watch`).
        hold_on_voice: Fall silent as soon as a voice is heard, and go on where the speech was left
            when no turn comes of it. Of use where a turn's start waits for more than a voice.
        ready_timeout_s: How long the vendor may take until it can be told anything, in seconds.
    """

    def __init__(
        self,
        vendor: Vendor,
        *,
        stand_in: Vendor | None = None,
        goes_on_without: bool = False,
        opens_when_watched: bool = False,
        hold_on_voice: bool = False,
        ready_timeout_s: float = READY_TIMEOUT_S,
    ) -> None:
        super().__init__(name=f"AvatarOutput({vendor.name})")
        self._rate = vendor.profile.sample_rate
        self._hold_on_voice = hold_on_voice
        self._stage = Stage(
            vendor,
            stand_in,
            goes_on_without=goes_on_without,
            opens_when_watched=opens_when_watched,
            ready_timeout_s=ready_timeout_s,
            deliver=self._deliver,
            opened=self._opened,
            show=self._show,
            failed=self._failed,
        )
        self._core = self._stage.core
        self._register_event_handler("on_session_opened")
        self._user_leg = DownstreamLeg(self)
        self._cuts: list[Cut] = []  # the page hears of them after the interruption has passed
        self._overtaken = Overtaken()
        self._interrupting = False
        self._stopped = False  # by the interruption, behind which it is told
        self._resampler: Resampler | None = None
        self._received = 0  # samples of this run of TTS
        # Words without audio so far. Of a voice that failed, Pipecat hands over the words as well:
        # nobody heard them.
        self._early: list[TTSTextFrame] = []
        self._words: WordTimes[HeardTextFrame] = WordTimes(sample_rate=1)

    # Pipecat's `FrameProcessor.setup` differs from its own base in the same way.
    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Open the vendor's session, in a task of its own."""
        await super().setup(setup)
        self._stage.start(self._user_leg)

    async def cleanup(self) -> None:
        """Close the session, if nothing else did."""
        await super().cleanup()
        await self._stage.aclose()

    async def queue_frame(
        self,
        frame: Frame,
        direction: FrameDirection = FrameDirection.DOWNSTREAM,
        callback: FrameCallback | None = None,
    ) -> None:
        """Let a frame in."""
        self._overtaken.arrives(frame)
        await super().queue_frame(frame, direction, callback)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take what is speech, let everything else pass."""
        if self._overtaken.is_stale(frame):
            return
        if isinstance(frame, InterruptionFrame):
            await self._interrupt(frame, direction)
            return
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM or not await self._take(frame):
            await self.push_frame(frame, direction)

    async def _take(self, frame: Frame) -> bool:
        """Handle what travels downstream; True when the frame is not to be passed on."""
        now = self._now()
        match frame:
            case HeardTextFrame():
                return False
            case TTSAudioRawFrame():
                self._audio(frame, now)
                return True
            case TTSTextFrame():
                self._text(frame, now)
                return True
            case TTSStartedFrame():
                self._begin(frame, now)
            case TTSStoppedFrame():
                self._end(now)
                return True
            case LLMFullResponseStartFrame():
                self._core.reply(open=True)
            case LLMFullResponseEndFrame():
                self._core.reply(open=False)
                self._after_words(frame, now)
                return True
            case LLMAssistantPushAggregationFrame():
                self._last_words(now)  # it comes in front of the end of its speech
                self._after_words(frame, now)
                return True
            case AggregatedTextProgressFrame():
                self._after_words(frame, now)
                return True
            case UserStartedSpeakingFrame():
                self._core.listen(True, now=now)
            case UserStoppedSpeakingFrame():
                self._core.listen(False, now=now)
            case VADUserStartedSpeakingFrame() if self._hold_on_voice:
                await self.hold()
            case VADUserStoppedSpeakingFrame() if self._hold_on_voice:
                self.resume()
            case OutputTransportMessageFrame(message={"data": {"type": "visemes"} as visemes}):
                self._stage.mouth(visemes)
                return True
            case RTVIClientMessageFrame(type=kind) if kind.startswith("avatar-"):
                self.page_says(kind, frame.data if isinstance(frame.data, dict) else {})
                return True
            case EndFrame():
                await self._stage.clock.play_out(grace_s=GOODBYE_GRACE_S)
                await self._stage.aclose()
            case CancelFrame():
                await self._stage.aclose()
            case _:
                return False  # nothing of ours: above all the microphone, fifty times a second
        self._stage.poke()
        return False

    # Speech

    def _begin(self, frame: TTSStartedFrame, now: float) -> None:
        run = frame.context_id or str(frame.id)
        self._resampler = None
        self._received = 0
        self._early = []
        self._words = WordTimes(sample_rate=self._rate, last_pts=self._words.last_pts)
        self._core.begin(run, now=now, interruptible=frame.interruptible)

    def _audio(self, frame: TTSAudioRawFrame, now: float) -> None:
        if self._resampler is None or self._resampler.source_hz != frame.sample_rate:
            self._resampler = Resampler(frame.sample_rate, self._rate)
        self._words.audio(self.get_clock().get_time())
        early, self._early = self._early, []
        for word in early:
            self._text(word, now)
        self._say(self._resampler.convert(frame.audio, frame.num_channels), now)

    def _say(self, pcm: bytes, now: float) -> None:
        self._received += len(pcm) // 2
        if self._core.audio(pcm, now=now):
            self._stage.poke()

    def _text(self, frame: TTSTextFrame, now: float) -> None:
        exact = frame.metadata.get(METADATA_KEY, {}).get("end")
        if exact is not None:
            scale = self._resampler.scale if self._resampler else int
            self._core.word(HeardTextFrame.of(frame), scale(exact), now=now)
        elif self._resampler is None:
            self._early.append(frame)
        elif frame.pts:
            clock_ns = self.get_clock().get_time()
            word = HeardTextFrame.of(frame)
            for span in self._words.timed(word, frame.text, frame.pts, clock_ns):
                self._core.word(span.what, span.end, now=now)
        else:
            for part in self._words.untimed(frame.text, self._received):
                self._core.word(HeardTextFrame.of(frame, part.what), part.end, now=now)
        self._stage.poke()

    def _end(self, now: float) -> None:
        self._last_words(now)
        if self._resampler is not None:
            self._say(self._resampler.flush(), now)
        self._core.end(now=now)
        self._stage.poke()

    def _last_words(self, now: float) -> None:
        for span in self._words.flush():
            self._core.word(span.what, span.end, now=now)

    def _after_words(self, frame: Frame, now: float) -> None:
        frame.pts = None  # its time is when the words before it were heard
        self._core.after_words(frame, now=now)
        self._stage.poke()

    # Cut-ins

    async def hold(self) -> None:
        """A suspected cut-in: fall silent, and keep what was not heard."""
        self._core.hold(now=self._now())
        self._stage.poke()
        await self._stage.clock.flush()
        await self._tell_cuts()

    def resume(self) -> None:
        """It was none: go on from the first word that was not heard."""
        self._core.resume(now=self._now())
        self._stage.poke()

    async def _interrupt(self, frame: InterruptionFrame, direction: FrameDirection) -> None:
        # The state first: what follows awaits, and nothing of this generation may leave meanwhile.
        now = self._now()
        self._last_words(now)
        self._core.interrupt(now=now)
        self._words = WordTimes(sample_rate=self._rate)
        self._interrupting = True
        self._stage.poke()
        try:
            await asyncio.sleep(0)  # the writer goes first: a tenth of a millisecond
            await super().process_frame(frame, direction)
            await self._stage.clock.flush()  # the words that were heard, then the interruption
            await self.push_frame(frame, direction)
        finally:
            self._interrupting = False
        # In front of it, this would start an answer of its own to the result of a tool that waits
        # for the end of the speech, beside the one to what the person says now.
        stopped, self._stopped = self._stopped, False
        if stopped:
            await self.broadcast_frame(BotStoppedSpeakingFrame)
        await self._tell_cuts()

    async def _tell_cuts(self) -> None:
        cuts, self._cuts = self._cuts, []
        for cut in cuts:
            if cut.hold:
                await self._user_leg.flush()
            await self._user_leg.tell_at_once(
                {
                    "type": "avatar-cut",
                    "utterance": cut.utterance,
                    "unheard": cut.unheard,
                    "hold": cut.hold,
                }
            )

    # The other side

    def page_says(self, kind: str, data: Mapping[str, Any]) -> None:
        """What the page reports of the avatar; see `AvatarTransport.page_says`."""
        self._stage.page_says(kind, data)

    @property
    def is_open(self) -> bool:
        """See `AvatarTransport.is_open`."""
        return self._stage.is_open

    async def face(self) -> Opened | None:
        """See `AvatarTransport.face`."""
        return await self._stage.face()

    async def dismiss(self) -> None:
        """See `AvatarTransport.dismiss`."""
        await self._stage.dismiss()

    def _opened(self, session: Opened) -> None:
        self.create_task(self._call_event_handler("on_session_opened", session.limit_s))

    def _show(self, viewer: Mapping[str, str]) -> None:
        self.create_task(self._user_leg.confide({"type": "avatar-room", **viewer}))

    async def _deliver(self, reports: list[Report]) -> None:
        for report in reports:
            match report:
                case Heard(Frame() as frame):
                    await self.push_frame(frame)
                case Cut():
                    self._cuts.append(report)
                case SpeakingStarted():
                    await self.broadcast_frame(BotStartedSpeakingFrame)
                case Speaking():
                    await self.broadcast_frame(BotSpeakingFrame)
                case SpeakingStopped() if self._interrupting:
                    self._stopped = True
                case SpeakingStopped():
                    await self.broadcast_frame(BotStoppedSpeakingFrame)
                case CarriedBy(leg):
                    by = "vendor" if self._stage.is_face(leg) else "local"
                    await self._user_leg.tell_at_once({"type": "avatar-face", "by": by})

    async def _failed(self, error: AvatarError, ends: bool) -> None:
        logger.debug(f"{self}: {type(error).__name__}")
        await self._tell_cuts()
        if ends:  # what is still to be said would be waited for, and nobody hears it
            await self.broadcast_interruption()
        # By its status alone Pipecat would take a refused key for the end of this processor.
        category = None if ends else ErrorCategory.UNKNOWN
        await self.push_error(
            str(error), exception=error, category=category, force_treat_as_permanent=ends
        )

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
