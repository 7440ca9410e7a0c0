"""The page of the built-in face: plays what reaches it, tells what it played, writes it down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pipecat.frames.frames import (
    Frame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from emulators.playback import RATE_HZ, Phase, Said, Utterance
from emulators.record import Interruption, Record

LATENCY_S = 0.03
REPORT_S = 0.1


class Page(FrameProcessor):
    """Stands where the user leg's output does.

    Attributes:
        says: Takes what the page reports, as a user leg hands it over.
        reports: Whether it does.
    """

    def __init__(self, *, playback_speed: float = 1.0, reports: bool = True) -> None:
        super().__init__()
        self.says: Callable[[str, dict[str, Any]], None] = lambda kind, data: None
        self.reports = reports
        self._speed = playback_speed
        self._record = Record()
        self._said: list[Utterance] = []
        self._playing: list[Utterance] = []
        self._cuts: list[Interruption] = []
        self._is_cut = False
        self._reported_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # As emulators tell it

    def heard(self) -> list[Said]:
        now = self._now()
        return [
            Said(
                each.task, each.source, each.opened_at, each.samples, each.heard(now), each.cut,
                each.started_at, each.ended_at, each.segments(now), each.audio,
            )
            for each in self._said
        ]  # fmt: skip

    def interruptions(self) -> list[Interruption]:
        return self._cuts

    def running(self) -> list[object]:
        return []

    async def until(self, holds: Callable[[], Any], timeout_s: float = 5.0) -> None:
        await self._record.until(holds, timeout_s)

    async def hears(self, seconds: float, *, timeout_s: float = 10.0) -> None:
        wanted = round(seconds * RATE_HZ)
        async with asyncio.timeout(timeout_s):
            while (missing := wanted - sum(each.samples for each in self.heard())) > 0:
                await asyncio.sleep(max(missing / RATE_HZ / self._speed, 1e-3))

    # The page

    async def queue_frame(
        self,
        frame: Frame,
        direction: FrameDirection = FrameDirection.DOWNSTREAM,
        callback: Any = None,
    ) -> None:
        """The door itself; what waits behind it when an interruption comes may be dropped."""
        match frame:
            case OutputTransportMessageFrame(message={"data": {"type": "avatar-begin"}}):
                self._is_cut = False
            case OutputTransportMessageUrgentFrame(message={"data": {"type": "avatar-cut"}}):
                self._is_cut = True
            case OutputAudioRawFrame(audio=pcm) if self._is_cut and self._cuts:
                self._cuts[-1].late_bytes += len(pcm)
        await super().queue_frame(frame, direction, callback)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        now = self._now()
        match frame:
            case OutputAudioRawFrame(audio=pcm, sample_rate=rate):
                assert rate == RATE_HZ
                self._take(pcm, now)
            case OutputTransportMessageFrame(message={"data": {"type": "avatar-begin"} as data}):
                self._begin(data["utterance"], now)
            case OutputTransportMessageFrame(message={"data": {"type": "avatar-end"} as data}):
                assert data["samples"] == self._said[-1].samples
                self._said[-1].sealed_at = now
            case OutputTransportMessageUrgentFrame(
                message={"data": {"type": "avatar-cut", "unheard": True} as data}
            ):
                self._cut(data["utterance"], now)
            case _:
                await self.push_frame(frame, direction)
                return
        self._tick()
        await self.push_frame(frame, direction)

    def _begin(self, name: str, now: float) -> None:
        new = Utterance(name, name, now, now + LATENCY_S, speed=self._speed)
        self._said.append(new)
        self._playing.append(new)

    def _take(self, pcm: bytes, now: float) -> None:
        into = self._said[-1]
        if into.cut:
            return  # it was on its way; the real page drops it too
        into.append(pcm, None, now)
        if into.phase is Phase.DRY:
            into.phase, into.starts_at = Phase.WAITING, now

    def _cut(self, name: str | None, now: float) -> None:
        unheard = sum(each.samples - each.heard(now) for each in self._playing)
        self._cuts.append(Interruption(now, name, unheard, frozenset()))
        for each in self._playing:
            each.cut = True
            each.stop(now, Phase.OVER)
        self._playing.clear()

    def _tick(self) -> None:
        """Does what is due, and reports it."""
        now = self._now()
        if self._timer:
            self._timer.cancel()
        while self._playing and self._move(self._playing[0], now):
            pass
        if self._playing:
            head = self._playing[0]
            if now >= self._reported_at + REPORT_S:
                self._report(head, now)
            due = min(head.runs_dry_at(), now + REPORT_S)
            if head.phase is Phase.WAITING and head.samples:
                due = min(due, head.starts_at)
            self._timer = asyncio.get_running_loop().call_at(due, self._tick)
        self._record.changed()

    def _move(self, head: Utterance, now: float) -> bool:
        if head.phase is Phase.WAITING and head.samples and head.starts_at <= now:
            head.run(head.starts_at)
            return True
        if (dry := head.runs_dry_at()) <= now:
            head.stop(dry, Phase.DRY)
            self._report(head, now)
        if head.phase is Phase.DRY and head.sealed_at is not None:
            head.stop(dry if dry <= now else now, Phase.OVER)
            self._playing.remove(head)
            return True
        return False

    def _report(self, head: Utterance, now: float) -> None:
        if self.reports and head.started_at is not None:
            self._reported_at = now
            self.says("avatar-played", {"utterance": head.task, "samples": head.heard(now)})

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


@asynccontextmanager
async def page(*, playback_speed: float = 1.0, **_: Any) -> AsyncIterator[Page]:
    """A page for the block; the knobs that it has not are another vendor's."""
    yield Page(playback_speed=playback_speed)
