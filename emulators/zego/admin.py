"""`/_emulator/…` that only this vendor has: rooms, people, and what it called. Not part of it."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Any

from aiohttp import web

from . import control
from .emulator import Emulator
from .gateway import EMULATOR
from .token04 import BadToken, Token04

routes = web.RouteTableDef()


@routes.get("/_emulator/callbacks")
async def callbacks(request: web.Request) -> web.Response:
    """Lists every try of every callback; `?session=` and `?since=` pick some."""
    of, since = request.query.get("session"), float(request.query.get("since", "-inf"))
    rows = [
        dataclasses.asdict(each)
        for each in request.app[EMULATOR].news.deliveries
        if of in (None, each.session) and each.at >= since
    ]
    return _told({"callbacks": rows})


@routes.get("/_emulator/rooms/{room}")
async def room(request: web.Request) -> web.Response:
    """Tells who is in a room, which streams are, and what was said to all; `?since=` picks."""
    emulator, name = request.app[EMULATOR], request.match_info["room"]
    since = float(request.query.get("since", "-inf"))
    messages = [
        dataclasses.asdict(each)
        for each in emulator.news.messages
        if each.room == name and each.at >= since
    ]
    streams = emulator.published(name)
    return _told({"people": emulator.rooms.people(name), "streams": streams, "messages": messages})


@routes.post("/_emulator/rooms/{room}/login")
async def login(request: web.Request) -> web.Response:
    """Lets a `user` with a `token` in, or tells the code that the web SDK reports."""
    emulator, name = request.app[EMULATOR], request.match_info["room"]
    body = await request.json()
    try:
        token = _checked(emulator, name, body)
    except BadToken as bad:
        return _told({"code": bad.code, "why": str(bad)})
    emulator.rooms.enter(name, body["user"])
    return _told({"code": 0, "expire": token.expire, "mode": token.mode})


@routes.post("/_emulator/rooms/{room}/logout")
async def logout(request: web.Request) -> web.Response:
    """A `user` leaves."""
    body = await request.json()
    request.app[EMULATOR].rooms.leave(request.match_info["room"], body["user"])
    return _told({"code": 0})


@routes.post("/_emulator/instances/{id}/hear")
async def hear(request: web.Request) -> web.Response:
    """The user of an instance, who is in the room, says a `text`, which takes `seconds`."""
    body = await request.json()
    instance = request.app[EMULATOR].instance(request.match_info["id"])
    if instance is None:
        raise web.HTTPNotFound
    try:
        instance.hears(body["text"], float(body.get("seconds", 0.5)))
    except ValueError as wrong:
        return web.json_response({"error": str(wrong)}, status=400)
    return _told({})


@routes.post("/_emulator/rooms/{room}/send")
async def send(request: web.Request) -> web.Response:
    """A `user` sends a `content` of type 20 into a room; the answer, of type 22, comes there."""
    body = await request.json()
    control.receive(request.app[EMULATOR], request.match_info["room"], body["to"], body["content"])
    return _told({})


def _checked(emulator: Emulator, room: str, body: dict[str, Any]) -> Token04:
    token = Token04.open(body["token"], emulator.server_secret)
    token.check(
        app_id=emulator.knobs.app_id,
        user_id=body["user"],
        room_id=room,
        now=time.time(),
        stream_id=body.get("stream"),
    )
    return token


def _told(data: dict[str, Any]) -> web.Response:
    return web.json_response({"now": asyncio.get_running_loop().time(), **data})
