"""Digital Human: stream tasks, and what drives them."""

from __future__ import annotations

import asyncio
from typing import Any

from .actions import Actions
from .avatar import State
from .codes import Code, Refused
from .drive import Drive, Kind, Stage
from .emulator import Emulator
from .fields import ID, Fields
from .task import Task, Terms

_DAY_S = 86_400

actions = Actions("digital human")


@actions.on("CreateDigitalHumanStreamTask")
def create(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    digital_human = fields.block("DigitalHumanConfig").text("DigitalHumanId")
    rtc = fields.block("RTCConfig")
    terms = Terms(
        digital_human=digital_human,
        room=rtc.text("RoomId", limit=128),
        stream=rtc.text("StreamId", limit=128, pattern=ID),
        ttl_s=fields.number("TTL", low=10, high=_DAY_S, default=_DAY_S),
        idle_s=fields.number("MaxIdleTime", low=30, high=_DAY_S, default=900),
    )
    if not emulator.exists(digital_human):
        raise Refused(Code.DIGITAL_HUMAN_UNKNOWN)
    if terms.stream in emulator.streams():
        raise Refused(Code.STREAM_EXISTS)
    if emulator.is_full():
        raise Refused(Code.TASK_LIMIT)
    return {"TaskId": emulator.open(terms).id}


@actions.on("GetDigitalHumanStreamTaskStatus")
def status(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    task = _task(emulator, fields)
    told = _told(task)
    if task.avatar.state is State.FAILED:
        told["FailReason"] = task.fail_reason
    return told


@actions.on("QueryDigitalHumanStreamTasks")
def query(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    running = [each for each in emulator.tasks() if each.running]
    return {"TaskList": [{"TaskId": each.id, **_told(each)} for each in running]}


@actions.on("StopDigitalHumanStreamTask")
def stop(emulator: Emulator, fields: Fields) -> None:
    task = _task(emulator, fields)
    if not task.running:
        raise Refused(Code.STREAM_STOPPED)
    task.stop("stopped")


@actions.on("DriveByWsStream")
def drive_by_socket(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    task = _streaming(emulator, fields)
    if task.avatar.current and emulator.knobs.reserve_while_driven == "refuse":
        raise Refused(Code.BUSY)
    drive = _drive(emulator, "ws")
    life_s = emulator.knobs.address_s / emulator.knobs.deadline_speed
    drive.valid_until = drive.made_at + life_s
    task.reserve(drive)
    return {"DriveId": drive.id, "WssAddress": emulator.socket_url(task, drive.valid_until)}


@actions.on("DriveByText")
def drive_by_text(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    task = _streaming(emulator, fields)
    text = fields.text("Text", limit=4 * 1_800)
    if len(text) > 1_800:
        raise fields.wrong("Text")
    voice = fields.block("TTSConfig")
    voice.text("TimbreId")
    voice.number("SpeechRate", low=-500, high=500, default=0)
    voice.number("PitchRate", low=-500, high=500, default=0)
    voice.number("Volume", low=1, high=100, default=50)
    return _spoken(emulator, task, fields, "text", len(text) * emulator.knobs.text_ms)


@actions.on("DriveByAudio")
def drive_by_audio(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    task = _streaming(emulator, fields)
    if not fields.text("AudioUrl").startswith(("http://", "https://")):
        raise fields.wrong("AudioUrl")
    fields.number("VoiceChannel", low=0, high=2, default=0)
    return _spoken(emulator, task, fields, "audio", emulator.knobs.audio_ms)


@actions.on("DriveByRTCStream")
def drive_by_room(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    task = _streaming(emulator, fields)
    rtc = fields.block("RTCConfig")
    rtc.text("RoomId", limit=128)
    rtc.text("StreamId", limit=128, pattern=ID)
    drive = _drive(emulator, "rtc")
    task.enqueue(drive, at_once=True)
    return {"DriveId": drive.id}


@actions.on("DoAction")
def do_action(emulator: Emulator, fields: Fields) -> None:
    _streaming(emulator, fields)
    if fields.text("Action") not in emulator.catalogue.gestures:
        raise fields.wrong("Action")


@actions.on("InterruptDriveTask")
def interrupt(emulator: Emulator, fields: Fields) -> None:
    task = _streaming(emulator, fields)
    if not task.avatar.current and emulator.knobs.idle_interrupt == "refuse":
        raise Refused(Code.INVALID)
    task.interrupt()


@actions.on("GetDigitalHumanList")
def digital_humans(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    mode = fields.number("FetchMode", low=1, high=3, default=1)
    found = [] if mode == 3 else emulator.catalogue.digital_humans(emulator.knobs.avatars)
    return {"Total": len(found), "DigitalHumans": _page(fields, found)}


@actions.on("GetDigitalHumanInfo")
def digital_human(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    name = fields.text("DigitalHumanId")
    if not emulator.exists(name):
        raise Refused(Code.DIGITAL_HUMAN_UNKNOWN)
    return emulator.catalogue.digital_human(name)


@actions.on("GetTimbreList")
def timbres(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    found = emulator.catalogue.timbres
    return {"Total": len(found), "Timbres": _page(fields, found)}


@actions.on("GetDigitalHumanRenderInfo")
def render_info(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    name = fields.text("DigitalHumanId")
    if not emulator.exists(name):
        raise Refused(Code.DIGITAL_HUMAN_UNKNOWN)
    url = f"https://zego.invalid/packages/{name}.zip"
    return {"ClientInferencePackageUrl": url, "IsSupportSmallImageMode": False}


def _page(fields: Fields, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    offset = int(fields.number("Offset", low=0, high=1_000_000, default=0))
    limit = int(fields.number("Limit", low=1, high=20, default=20))
    return found[offset : offset + limit]


def _task(emulator: Emulator, fields: Fields) -> Task:
    task = emulator.task(fields.text("TaskId"))
    if task is None:
        raise Refused(Code.TASK_UNKNOWN)
    return task


def _streaming(emulator: Emulator, fields: Fields) -> Task:
    """Returns a task that can be driven."""
    task = _task(emulator, fields)
    task.tick()
    if task.avatar.state is State.INIT:
        raise Refused(Code.NOT_STREAMING_YET)
    if not task.running:
        raise Refused(Code.STREAM_STOPPED)
    return task


def _told(task: Task) -> dict[str, Any]:
    return {
        "Status": task.avatar.state.status,
        "RoomId": task.terms.room,
        "StreamId": task.terms.stream,
        "CreateTime": task.created,
    }


def _drive(emulator: Emulator, kind: Kind) -> Drive:
    now = asyncio.get_running_loop().time()
    return Drive(id=emulator.uuid(), kind=kind, stage=Stage.RESERVED, made_at=now)


def _spoken(
    emulator: Emulator, task: Task, fields: Fields, kind: Kind, speech_ms: float
) -> dict[str, Any]:
    at_once = fields.number("InterruptMode", low=0, high=1, default=0) == 1
    drive = _drive(emulator, kind)
    drive.stage = Stage.QUEUED
    drive.pcm = b"\x10\x00" * max(1, round(speech_ms * drive.form.rate_hz / 1_000))
    task.enqueue(drive, at_once=at_once)
    return {"DriveId": drive.id}
