"""What every REST call meets: it is recorded and counted, and refused or scripted to fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from ..faults import Fault
from ..record import Call
from .emulator import Emulator

EMULATOR: web.AppKey[Emulator] = web.AppKey("emulator", Emulator)
SESSION = web.RequestKey("session", str)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refused(Exception):
    """The vendor says no, in its envelope."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message, "data": None}


class Invalid(Exception):
    """A field is not as it has to be, in the words of LiveAvatar's framework."""

    def __init__(self, field: str, message: str, kind: str = "value_error") -> None:
        super().__init__(message)
        self.body = {"detail": [{"loc": ["body", field], "msg": message, "type": kind}]}


async def body_of(request: web.Request) -> dict[str, Any]:
    """Returns the JSON object of a request; an empty one if it has no body."""
    text = await request.text()
    if not text:
        return {}
    try:
        body = json.loads(text)
    except ValueError:
        raise Invalid("", "JSON decode error", "json_invalid") from None
    if not isinstance(body, dict):
        raise Invalid("", "Input should be an object", "dict_type")
    return body


def bearer_of(request: web.Request) -> str | None:
    """Returns what a request brings as a bearer token."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" and token else None


@web.middleware
async def as_the_vendor(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Records a REST call, and answers what is refused or scripted to fail."""
    emulator = request.app[EMULATOR]
    name = request.match_info.route.name
    if name is None:  # the control socket, and the emulator's own pages
        return await handler(request)
    fault = emulator.faults.next(name)
    await asyncio.sleep(emulator.knobs.rest_delay_ms / 1_000 + (fault.delay_s if fault else 0.0))
    credential = request.headers.get("X-API-KEY") or bearer_of(request) or ""
    response: web.StreamResponse | None
    if fault and fault.status is None:
        fault = None
    if fault and not fault.done:
        response = _failed(fault)
    elif emulator.is_too_fast(name, credential):
        response = _too_fast()
    else:
        response = await _answered(request, handler)
        response = _failed(fault) if fault else response
    status = response.status if response else 0
    emulator.record.calls.append(
        Call(
            at=asyncio.get_running_loop().time(),
            name=name,
            method=request.method,
            path=request.path,
            status=status,
            session=request.get(SESSION),
            body=await _recorded(request),
        )
    )
    emulator.record.changed()
    if response is None:
        if request.transport:
            request.transport.abort()
        return web.Response()  # which nobody gets
    return response


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        return web.json_response(refused.body, status=refused.status)
    except Invalid as invalid:
        return web.json_response(invalid.body, status=422)


async def _recorded(request: web.Request) -> Any:
    text = await request.text()
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _failed(fault: Fault) -> web.Response | None:
    if not fault.status:
        return None
    body = fault.body
    if body is None:
        body = {"code": 5000, "message": "scripted failure", "data": None}
    if isinstance(body, str):
        return web.Response(text=body, status=fault.status, headers=fault.headers)
    return web.json_response(body, status=fault.status, headers=fault.headers)


def _too_fast() -> web.Response:
    body = {"code": 4029, "message": "rate limit exceeded", "data": None}
    headers = {"Retry-After": "1", "X-RateLimit-Reset": "1", "X-RateLimit-Remaining": "0"}
    return web.json_response(body, status=429, headers=headers)
