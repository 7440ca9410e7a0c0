"""`/_emulator/…`: what was heard, and what shall go wrong. Not part of the vendor."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

from aiohttp import web

from .emulator import Emulator, Said
from .playback import RATE_HZ
from .replies import EMULATOR, Invalid, body_of
from .session import Session

routes = web.RouteTableDef()


@routes.get("/_emulator/sessions")
async def sessions(request: web.Request) -> web.Response:
    """Lists all sessions, what they cost, and how they ended."""
    emulator = request.app[EMULATOR]
    rows = [_session(each) for each in emulator.sessions.values()]
    credits_left = {name: account.left for name, account in emulator.accounts.items()}
    return _told({"sessions": rows, "credits": credits_left})


@routes.get("/_emulator/sessions/{id}")
async def session(request: web.Request) -> web.Response:
    """Tells which samples of a session were heard, and when; `?since=` leaves out older ones."""
    emulator, found = _found(request)
    since = _since(request)
    interrupts = []
    for each in found.interruptions:
        if each.at >= since:
            row = dataclasses.asdict(each)
            row["cut_ids"] = sorted(each.cut_ids)
            interrupts.append(row)
    said = zip(emulator.heard(found.id), found.avatar.utterances, strict=True)
    utterances = [
        {**_said(each), "chunks": [dataclasses.asdict(chunk) for chunk in of.chunks]}
        for each, of in said
        if _lasts(each, since)
    ]
    return _told({**_session(found), "utterances": utterances, "interrupts": interrupts})


@routes.get("/_emulator/sessions/{id}/heard.pcm")
async def heard(request: web.Request) -> web.Response:
    """Returns the samples that were heard: s16le, mono, 24 kHz, without the pauses."""
    emulator, found = _found(request)
    since = _since(request)
    said = [each for each in emulator.heard(found.id) if _lasts(each, since)]
    audio = b"".join(each.audio for each in said)
    headers = {"X-Rate-Hz": str(RATE_HZ)}
    return web.Response(body=audio, content_type="application/octet-stream", headers=headers)


@routes.get("/_emulator/calls")
async def calls(request: web.Request) -> web.Response:
    """Lists the REST calls."""
    record = request.app[EMULATOR].record
    return _told({"calls": [dataclasses.asdict(each) for each in record.calls]})


@routes.get("/_emulator/messages")
async def messages(request: web.Request) -> web.Response:
    """Lists what came and went on the sockets; `?kind=`, `?session=` and `?since=` pick some."""
    emulator = request.app[EMULATOR]
    kind, of, since = request.query.get("kind"), request.query.get("session"), _since(request)
    received = [each for each in emulator.received(kind, of) if each.at >= since]
    sent = [
        each
        for each in emulator.record.sent
        if kind in (None, each.kind) and of in (None, each.session) and each.at >= since
    ]
    rows = {
        "received": [dataclasses.asdict(each) for each in received],
        "sent": [dataclasses.asdict(each) for each in sent],
        "connections": [dataclasses.asdict(each) for each in emulator.record.connections],
    }
    return _told(rows)


@routes.get("/_emulator/knobs")
async def knobs(request: web.Request) -> web.Response:
    """Tells how it behaves."""
    emulator = request.app[EMULATOR]
    return _told({"knobs": dataclasses.asdict(emulator.knobs), "seed": emulator.seed})


@routes.post("/_emulator/script")
async def script(request: web.Request) -> web.Response:
    """Takes `knobs` to turn, replies to `fail`, or an `action` on a `session`'s socket."""
    emulator = request.app[EMULATOR]
    try:
        body = await body_of(request)
        if "knobs" in body:
            emulator.turn(**body.pop("knobs"))
        for each in body.pop("fail", []):
            emulator.fail(**each)
        if body:
            emulator.script(**body)
    except (LookupError, TypeError, ValueError, Invalid) as wrong:
        return web.json_response({"error": str(wrong)}, status=400)
    return _told({})


def _found(request: web.Request) -> tuple[Emulator, Session]:
    emulator = request.app[EMULATOR]
    found = emulator.sessions.get(request.match_info["id"])
    if found is None:
        raise web.HTTPNotFound
    return emulator, found


def _since(request: web.Request) -> float:
    try:
        return float(request.query.get("since", "-inf"))
    except ValueError:
        raise web.HTTPBadRequest(text="since takes a time, as `now` tells it") from None


def _lasts(said: Said, since: float) -> bool:
    return said.ended_at is None or said.ended_at >= since


def _session(session: Session) -> dict[str, Any]:
    now = asyncio.get_running_loop().time()
    return {
        "id": session.id,
        "service": session.terms.service,
        "avatar_id": session.terms.avatar_id,
        "sandbox": session.terms.sandbox,
        "state": session.avatar.state.name,
        "created_at": session.created_at,
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "end_reason": session.end_reason,
        "seconds_billed": 0.0 if session.terms.sandbox else session.seconds(now),
        "credits": session.minutes_charged,
        "samples_heard": sum(each.heard(now) for each in session.avatar.utterances),
    }


def _said(said: Said) -> dict[str, Any]:
    row = {
        each.name: getattr(said, each.name)
        for each in dataclasses.fields(said)
        if each.name not in ("_audio", "segments")
    }
    return {**row, "segments": [dataclasses.asdict(each) for each in said.segments]}


def _told(data: dict[str, Any]) -> web.Response:
    return web.json_response({"now": asyncio.get_running_loop().time(), **data})
