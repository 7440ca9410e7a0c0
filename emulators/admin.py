"""`/_emulator/…`: what was heard, and what shall go wrong. Not part of the vendor."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

from aiohttp import web

from .playback import RATE_HZ, Said
from .vendor import Session, Vendor

VENDOR: web.AppKey[Vendor[Any, Any]] = web.AppKey("vendor", Vendor)

routes = web.RouteTableDef()


@routes.get("/_emulator/sessions")
async def sessions(request: web.Request) -> web.Response:
    """Lists all sessions, what they cost, and how they ended."""
    vendor = request.app[VENDOR]
    rows = [each.told() for each in vendor.sessions.values()]
    return _told({"sessions": rows, **vendor.told()})


@routes.get("/_emulator/sessions/{id}")
async def session(request: web.Request) -> web.Response:
    """Tells which samples of a session were heard, and when; `?since=` leaves out older ones."""
    vendor, found = _found(request)
    since = _since(request)
    interrupts = []
    for each in found.interruptions:
        if each.at >= since:
            row = dataclasses.asdict(each)
            row["cut_ids"] = sorted(each.cut_ids)
            interrupts.append(row)
    said = zip(vendor.heard(found.id), found.utterances, strict=True)
    utterances = [
        {**_said(each), "chunks": [dataclasses.asdict(chunk) for chunk in of.chunks]}
        for each, of in said
        if _lasts(each, since)
    ]
    return _told({**found.told(), "utterances": utterances, "interrupts": interrupts})


@routes.get("/_emulator/sessions/{id}/heard.pcm")
async def heard(request: web.Request) -> web.Response:
    """Returns the samples that were heard: s16le, mono, without the pauses."""
    vendor, found = _found(request)
    since = _since(request)
    said = [each for each in vendor.heard(found.id) if _lasts(each, since)]
    audio = b"".join(each.audio for each in said)
    headers = {"X-Rate-Hz": str(said[0].rate_hz if said else RATE_HZ)}
    return web.Response(body=audio, content_type="application/octet-stream", headers=headers)


@routes.get("/_emulator/calls")
async def calls(request: web.Request) -> web.Response:
    """Lists the REST calls."""
    record = request.app[VENDOR].record
    return _told({"calls": [dataclasses.asdict(each) for each in record.calls]})


@routes.get("/_emulator/messages")
async def messages(request: web.Request) -> web.Response:
    """Lists what came and went on the sockets; `?kind=`, `?session=` and `?since=` pick some."""
    vendor = request.app[VENDOR]
    kind, of, since = request.query.get("kind"), request.query.get("session"), _since(request)
    received = [each for each in vendor.received(kind, of) if each.at >= since]
    sent = [
        each
        for each in vendor.record.sent
        if kind in (None, each.kind) and of in (None, each.session) and each.at >= since
    ]
    rows = {
        "received": [dataclasses.asdict(each) for each in received],
        "sent": [dataclasses.asdict(each) for each in sent],
        "connections": [dataclasses.asdict(each) for each in vendor.record.connections],
    }
    return _told(rows)


@routes.get("/_emulator/knobs")
async def knobs(request: web.Request) -> web.Response:
    """Tells how it behaves."""
    vendor = request.app[VENDOR]
    return _told({"knobs": dataclasses.asdict(vendor.knobs), "seed": vendor.seed})


@routes.post("/_emulator/script")
async def script(request: web.Request) -> web.Response:
    """Takes `knobs` to turn, replies to `fail`, or an `action` on a `session`'s socket."""
    vendor = request.app[VENDOR]
    try:
        body = await request.json()
        if "knobs" in body:
            vendor.turn(**body.pop("knobs"))
        for each in body.pop("fail", []):
            vendor.fail(**each)
        if body:
            vendor.script(**body)
    except (AttributeError, LookupError, TypeError, ValueError) as wrong:
        return web.json_response({"error": str(wrong)}, status=400)
    return _told({})


def _found(request: web.Request) -> tuple[Vendor[Any, Any], Session]:
    vendor = request.app[VENDOR]
    found = vendor.sessions.get(request.match_info["id"])
    if found is None:
        raise web.HTTPNotFound
    return vendor, found


def _since(request: web.Request) -> float:
    try:
        return float(request.query.get("since", "-inf"))
    except ValueError:
        raise web.HTTPBadRequest(text="since takes a time, as `now` tells it") from None


def _lasts(said: Said, since: float) -> bool:
    return said.ended_at is None or said.ended_at >= since


def _said(said: Said) -> dict[str, Any]:
    row = {
        each.name: getattr(said, each.name)
        for each in dataclasses.fields(said)
        if each.name not in ("_audio", "segments")
    }
    return {**row, "segments": [dataclasses.asdict(each) for each in said.segments]}


def _told(data: dict[str, Any]) -> web.Response:
    return web.json_response({"now": asyncio.get_running_loop().time(), **data})
