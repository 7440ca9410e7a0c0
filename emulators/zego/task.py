"""One stream task: its digital human, its deadlines, its socket. Owns the timer, and no task."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Any

from ..delays import Delays
from ..playback import Utterance
from ..record import Interruption, Received, Record
from ..sockets import Break, Hangup, Item, Outbox
from ..weather import About
from .avatar import DRIVING, ENDED, Avatar, DriveStatus, State
from .drive import Drive, Form
from .knobs import Knobs
from .news import News, milliseconds

_log = logging.getLogger(__name__)

TASK_EVENT, DRIVE_EVENT = 3, 4
_RATES_HZ = (16_000, 24_000)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a task was asked for."""

    digital_human: str
    room: str
    stream: str
    ttl_s: float
    idle_s: float


@dataclass(slots=True, eq=False)
class Line:
    """A drive socket of a task, and the drive that its audio is for.

    Attributes:
        touched_at: When something came over it last.
        is_closing: Whether what comes now has crossed with its close.
    """

    touched_at: float
    outbox: Outbox = field(default_factory=asyncio.Queue)
    drive: Drive | None = None
    is_closing: bool = False


class Task:
    """From its creation until nobody can ask about it any more.

    Attributes:
        ended_at: When it stopped to cost anything.
        end_reason: Why: `stopped`, `TTL`, `MaxIdleTime`, or as the script says.
        reading: Cleared while the vendor does not read from its sockets.
    """

    def __init__(
        self,
        *,
        task_id: str,
        terms: Terms,
        knobs: Knobs,
        random: Random,
        record: Record,
        news: News,
    ) -> None:
        self.id = task_id
        self.terms = terms
        self.interruptions: list[Interruption] = []
        self.created_at = self._now()
        self.created = milliseconds() // 1_000
        self.ended_at: float | None = None
        self.end_reason: str | None = None
        self.fail_reason = knobs.fail_reason
        self.avatar = Avatar(knobs, Delays.draw(knobs, random))
        self.reading = asyncio.Event()
        self.reading.set()
        self.lines: list[Line] = []
        self._knobs = knobs
        self._record = record
        self._news = news
        self._idle_since = inf
        self._gone_at = inf
        self._stopped_at = inf
        ready_s = knobs.connected_delay_ms / 1_000 * random.uniform(1, 5)
        self._ready_at = inf if knobs.never_connected else self.created_at + ready_s
        self._timer: asyncio.TimerHandle | None = None
        self._tell_state()
        self.tick()

    # Its life

    @property
    def running(self) -> bool:
        return self.avatar.state.status in (1, 3)

    @property
    def holds_stream(self) -> bool:
        """Whether its StreamId is taken, and its place."""
        return self.avatar.state.status in (1, 3, 4)

    @property
    def gone(self) -> bool:
        """Whether it is no longer known."""
        return self._now() >= self._gone_at

    @property
    def utterances(self) -> list[Utterance]:
        return self.avatar.utterances

    def told(self) -> dict[str, Any]:
        """Returns how it is, as `/_emulator/sessions` tells it."""
        now = self._now()
        return {
            "id": self.id,
            "service": "digital human",
            "avatar_id": self.terms.digital_human,
            "room": self.terms.room,
            "stream": self.terms.stream,
            "state": self.avatar.state.name,
            "status": self.avatar.state.status,
            "created_at": self.created_at,
            "ended_at": self.ended_at,
            "end_reason": self.end_reason,
            "drives": {each.id: each.state for each in self.avatar.drives.values()},
            "samples_heard": sum(each.heard(now) for each in self.utterances),
        }

    def stop(self, reason: str) -> None:
        """The stream ends, a little later."""
        if not self.running:
            return
        now = self._now()
        self._tell(self.avatar.advance(now))
        self.ended_at = now
        self.end_reason = reason
        self._enter(State.STOPPING)
        self._stopped_at = now + self._knobs.drain_ms / 1_000
        self._schedule()

    def end(self, reason: str) -> None:
        """The stream is over at once."""
        self.stop(reason)
        if self.avatar.state is State.STOPPING:
            self._stop_now(self._now())
            self._schedule()

    def behave(self, knobs: Knobs) -> None:
        """Other knobs from now on. Delays that were drawn stay."""
        self._knobs = self.avatar.knobs = knobs
        self.tick()

    # What REST asks for

    def reserve(self, drive: Drive) -> None:
        self._called()
        self._do(self.avatar.reserve(drive, self._now()))

    def enqueue(self, drive: Drive, *, at_once: bool) -> None:
        self._idle_since = self._now()
        self._do(self.avatar.enqueue(drive, self._now(), at_once=at_once))

    def interrupt(self) -> None:
        now = self._now()
        self._called()
        self._tell(self.avatar.advance(now))
        self.interruptions.append(Interruption(now, None, *self.avatar.unheard(now)))
        self._received("InterruptDriveTask", None, 0, 0, taken=True)
        self._do(self.avatar.interrupt(now))

    def _called(self) -> None:
        if self._knobs.idle_from == "calls":
            self._idle_since = self._now()

    # Its sockets

    def may_attach(self) -> bool:
        free = not self.lines or self._knobs.second_socket == "replace"
        return free and self.avatar.state.status == State.IDLE.status

    def attach(self) -> Line:
        """A socket has opened; another one of this task is closed."""
        for each in self.lines:
            each.outbox.put_nowait(Hangup(1000))
        line = Line(self._now())
        self.lines.append(line)
        if self._knobs.close_after_ms:
            end = Hangup(self._knobs.close_code) if self._knobs.close_code else Break()
            loop = asyncio.get_running_loop()
            loop.call_later(self._knobs.close_after_ms / 1_000, line.outbox.put_nowait, end)
        self._record.changed()
        return line

    def detach(self, line: Line) -> None:
        """That socket is gone. What came over it is heard."""
        self.lines.remove(line)
        self._record.changed()

    def put(self, item: Item) -> None:
        """Puts something on the wire, whatever it is."""
        if self.lines:
            self.lines[-1].outbox.put_nowait(item)

    def receive(self, line: Line, message: str | bytes) -> None:
        """Takes one message of a client."""
        self.tick()
        if self._crosses(line, message):
            self._received("crossed", None, len(message), 0, taken=False)
        elif isinstance(message, bytes):
            self._receive_audio(line, message)
        else:
            self._receive_text(line, message)
        self._schedule()
        self._record.changed()

    def _crosses(self, line: Line, message: str | bytes) -> bool:
        """Whether it comes while the socket is being closed for its long silence."""
        silent_s, line.touched_at = self._now() - line.touched_at, self._now()
        begins = isinstance(message, str) and _parsed(message)[0] == "Start"
        if begins and not line.is_closing and 0 < self._knobs.start_crosses_s <= silent_s:
            line.is_closing = True
            line.outbox.put_nowait(Hangup(1000))
        return line.is_closing

    def _receive_audio(self, line: Line, pcm: bytes) -> None:
        drive = line.drive
        taken = drive is not None and self.avatar.takes(drive)
        self._received("pcm", drive.id if drive else None, len(pcm), len(pcm), taken=taken)
        if self.interruptions and not taken and drive:
            for each in self.interruptions:
                each.late_bytes += len(pcm) if drive.id in each.cut_ids else 0
        if drive and taken:
            if self.interruptions and self.interruptions[-1].next_audio_at is None:
                self.interruptions[-1].next_audio_at = self._now()
            self._tell(self.avatar.pcm(drive, pcm, self._now()))

    def _receive_text(self, line: Line, text: str) -> None:
        action, payload = _parsed(text)
        name = payload.get("DriveId")
        drive = self.avatar.drives.get(name) if isinstance(name, str) else None
        form = _form(payload)
        now = self._now()
        taken = False
        if drive and action == "Start" and form and self.avatar.can_start(drive, now):
            taken = True
            line.drive = drive
            self._idle_since = now
            self._tell(self.avatar.start(drive, form, now))
        elif drive and action == "Stop":
            taken = self.avatar.takes(drive)
            self._tell(self.avatar.stop(drive, now))
        self._received(action, drive.id if drive else None, len(text), 0, taken=taken)
        if not taken:
            self._misunderstood(line, action, drive)
        if self._knobs.socket_replies == "debug":
            code = 0 if taken else 1
            line.outbox.put_nowait({"Action": action, "Code": code, "DriveId": name})

    def _misunderstood(self, line: Line, action: str, drive: Drive | None) -> None:
        if action == "Stop" and drive:  # of what was cut, which is no mistake
            return
        _log.info("task %s: %s is ignored", self.id, action)
        if self._knobs.bad_frame == "close":
            line.outbox.put_nowait(Hangup(1008))

    def _received(
        self, kind: str, drive: str | None, size: int, audio: int, *, taken: bool
    ) -> None:
        received = Received(self._now(), self.id, kind, size, drive, audio, taken)
        self._record.received.append(received)

    # Time

    def tick(self, due: float = 0.0) -> None:
        """Does what is due; a timer is never early, even if the clock says so by a hair."""
        now = max(due, self._now())
        if self._ready_at <= now and self.avatar.state is State.INIT:
            self._ready_at = inf
            if self.fail_reason:
                self.ended_at, self.end_reason = now, "failed"
                self._gone_at = now + self._knobs.retention_s
                self._enter(State.FAILED)
            else:
                self._idle_since = now
                self._enter(State.IDLE)
        self._tell(self.avatar.advance(now))
        if self.running:
            ends = {self._ttl_at(): "TTL", self._idle_at(): "MaxIdleTime"}
            if min(ends) <= now:
                self.stop(ends[min(ends)])
        if self._stopped_at <= now:
            self._stop_now(now)
        self._schedule()
        self._record.changed()

    def _ttl_at(self) -> float:
        return self.created_at + self.terms.ttl_s / self._knobs.deadline_speed

    def _idle_at(self) -> float:
        if self.avatar.current:
            return inf
        return self._idle_since + self.terms.idle_s / self._knobs.deadline_speed

    def _stop_now(self, now: float) -> None:
        self._stopped_at = inf
        self._tell(self.avatar.interrupt(now))
        self._gone_at = now + self._knobs.retention_s
        self._enter(State.STOPPED)
        for each in self.lines if self._knobs.end_closes else ():
            each.outbox.put_nowait(Hangup(1000))

    def _schedule(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        due = min(self._ready_at, self.avatar.due(), self._stopped_at)
        if self.running:
            due = min(due, self._ttl_at(), self._idle_at())
        if due < inf:
            self._timer = asyncio.get_running_loop().call_at(due, self.tick, due)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # What is told

    def _do(self, events: list[DriveStatus]) -> None:
        self._tell(events)
        self._schedule()
        self._record.changed()

    def _enter(self, state: State) -> None:
        self.avatar.state = state
        self._tell_state()

    def _tell_state(self) -> None:
        detail: dict[str, Any] = {
            "Status": self.avatar.state.status,
            "RoomId": self.terms.room,
            "StreamId": self.terms.stream,
        }
        if self.avatar.state is State.FAILED:
            detail["FailReason"] = self.fail_reason
        self._call(TASK_EVENT, detail, "session")

    def _tell(self, events: list[DriveStatus]) -> None:
        for each in events:
            over = each.status >= ENDED
            if over:
                self._idle_since = self._now()
            about: About = "end of speech" if over else "speech"
            self._call(DRIVE_EVENT, {"DriveId": each.drive, "Status": each.status}, about)
            if each.status == DRIVING or over:
                content = {
                    "Product": "digitalhuman",
                    "Timestamp": milliseconds(),
                    "Cmd": 1001,
                    "Data": {"Status": each.status, "DriveId": each.drive},
                }
                self._news.say(self.terms.room, "", content, about)

    def _call(self, event: int, detail: dict[str, Any], about: About) -> None:
        at = milliseconds()
        stamp = str(at if self._knobs.callback_time == "ms" else at // 1_000)
        body = {
            "AppId": self._knobs.app_id,
            "TaskId": self.id,
            "EventType": event,
            "EventTime": at,
            "Detail": detail,
        }
        self._news.call(self.id, f"{event}/{detail['Status']}", body, stamp, about)


def _parsed(text: str) -> tuple[str, dict[str, Any]]:
    """Returns Action and Payload of a message; `malformed` where there is none."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return "malformed", {}
    if not isinstance(message, dict) or not isinstance(message.get("Action"), str):
        return "malformed", {}
    payload = message.get("Payload")
    return message["Action"], payload if isinstance(payload, dict) else {}


def _form(payload: dict[str, Any]) -> Form | None:
    """Returns how audio will come, or None if it cannot come like that."""
    rate = payload.get("SampleRate", 16_000)
    channels, voice = payload.get("Channel", 1), payload.get("VoiceChannel", 0)
    if rate not in _RATES_HZ or channels not in (1, 2) or voice not in (0, 1, 2):
        return None
    return Form(int(rate), int(channels), int(voice) if channels == 2 else 0)
