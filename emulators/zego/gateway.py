"""`/?Action=…`: what every call of both services meets, before and behind its action."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiohttp import web

from ..faults import Fault
from ..record import Call
from . import agents, digital_human, signature
from .actions import Actions
from .codes import Code, Refused
from .emulator import Emulator
from .fields import Fields

EMULATOR: web.AppKey[Emulator] = web.AppKey("emulator", Emulator)
SERVICES: tuple[Actions, ...] = (digital_human.actions, agents.actions)

_COMMON = {
    *("Action", "AppId", "SignatureNonce", "Timestamp", "Signature", "SignatureVersion"),
}
_UINT32 = re.compile(r"[0-9]{1,10}")
_SECONDS = re.compile(r"[0-9]{1,12}")

routes = web.RouteTableDef()


@dataclass(slots=True)
class Answer:
    """What is answered, in the vendor's envelope."""

    code: int
    message: str
    data: dict[str, Any] | None = None


@routes.get("/")
@routes.post("/")
async def gateway(request: web.Request) -> web.Response:
    """Lets a call through, and answers it in the envelope."""
    emulator = request.app[EMULATOR]
    name = request.query.get("Action", "")
    fault = emulator.faults.next(name)
    half_s = emulator.knobs.rest_latency_ms / 2_000
    late_s = fault.delay_s if fault else 0.0
    await asyncio.sleep(half_s + emulator.knobs.rest_delay_ms / 1_000 + late_s)
    if fault and fault.status is None:
        fault = None
    body = (await request.read()).decode(errors="replace")
    answer = None
    if fault is None or fault.done:
        answer = _answered(emulator, request, body)
    response = _failed(emulator, name, fault) if fault else _reply(emulator, name, answer)
    if fault and fault.code is not None:
        answer = Answer(fault.code, "", answer.data if answer else None)
    _record(emulator, request, body, response, answer)
    await asyncio.sleep(half_s)
    if response is None:
        if request.transport:
            request.transport.abort()
        return web.Response()  # which nobody gets
    return response


def _answered(emulator: Emulator, request: web.Request, body: str) -> Answer:
    try:
        service = _admit(emulator, request)
        data = service[request.query["Action"]](emulator, _fields(request, service, body))
    except Refused as refused:
        return Answer(refused.code, refused.message)
    return Answer(Code.SUCCESS, "success", data)


def _admit(emulator: Emulator, request: web.Request) -> Actions:
    """Returns the service of a call that may be made."""
    query, knobs = request.query, emulator.knobs
    if not (name := query.get("Action")):
        raise Refused(Code.ACTION_EMPTY)
    service = next((each for each in SERVICES if name in each), None)
    if service is None:
        raise Refused(Code.ACTION_UNSUPPORTED)
    app_id, stamp = query.get("AppId", ""), query.get("Timestamp", "")
    nonce, signed = query.get("SignatureNonce", ""), query.get("Signature", "")
    version = query.get("SignatureVersion", "")
    if not _UINT32.fullmatch(app_id) or int(app_id) >= 2**32:
        raise Refused(Code.APP_ID_MALFORMED)
    if not stamp:
        raise Refused(Code.TIMESTAMP_EMPTY)
    if not _SECONDS.fullmatch(stamp):
        raise Refused(Code.TIMESTAMP_MALFORMED)
    if version != "2.0":
        raise Refused(Code.VERSION_WRONG if version else Code.VERSION_EMPTY)
    if not nonce:
        raise Refused(Code.NONCE_EMPTY)
    if not signed:
        raise Refused(Code.SIGNATURE_EMPTY)
    if int(app_id) != knobs.app_id:
        raise Refused(Code.APP_ID_UNKNOWN)
    if abs(time.time() - int(stamp)) > knobs.clock_skew_s:
        raise Refused(Code.SIGNATURE_EXPIRED)
    if signed != signature.of_request(app_id, nonce, emulator.server_secret, stamp):
        raise Refused(Code.SIGNATURE_WRONG)
    if not emulator.is_new(nonce) and knobs.replays == "refuse":
        raise Refused(Code.SIGNATURE_WRONG, "this nonce came before")
    if emulator.is_too_fast(name):
        agent = service.service == "agent"
        code = Code(knobs.agent_rate_code) if agent else Code.RATE_LIMITED
        raise Refused(code)
    return service


def _fields(request: web.Request, service: Actions, body: str) -> Fields:
    agent = service.service == "agent"
    invalid = Code.AGENT_PARAMETER_INVALID if agent else Code.INVALID
    if request.method == "GET":
        given = {name: value for name, value in request.query.items() if name not in _COMMON}
        return Fields(given, invalid, spelled=True)
    try:
        read = json.loads(body or "{}")
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise Refused(Code.AGENT_BODY_UNREADABLE if agent else Code.BODY_UNREADABLE)
    return Fields(read, invalid)


def _reply(emulator: Emulator, name: str, answer: Answer | None) -> web.Response:
    assert answer is not None
    body: dict[str, Any] = {"Code": int(answer.code), "Message": answer.message}
    body["RequestId"] = _request_id(emulator, name)
    if answer.data is not None:
        body["Data"] = answer.data
    return web.json_response(body, status=200 if not answer.code else emulator.knobs.refused_status)


def _failed(emulator: Emulator, name: str, fault: Fault) -> web.Response | None:
    if fault.code is not None:
        return _reply(emulator, name, Answer(fault.code, "scripted failure"))
    if not fault.status:
        return None
    body = fault.body
    if body is None:
        body = {"Code": int(Code.GATEWAY_ERROR), "Message": "scripted failure", "RequestId": "0"}
    if isinstance(body, str):
        return web.Response(text=body, status=fault.status, headers=fault.headers)
    return web.json_response(body, status=fault.status, headers=fault.headers)


def _request_id(emulator: Emulator, name: str) -> str:
    if name in agents.actions:
        return str(emulator.random.randrange(10**18, 9 * 10**18))
    return str(UUID(int=emulator.random.getrandbits(128), version=4))


def _record(
    emulator: Emulator,
    request: web.Request,
    body: str,
    response: web.Response | None,
    answer: Answer | None,
) -> None:
    try:
        asked = json.loads(body) if body else None
    except (ValueError, RecursionError):
        asked = body
    given = {**(asked if isinstance(asked, dict) else {}), **((answer and answer.data) or {})}
    about = given.get("TaskId") or given.get("AgentInstanceId")
    emulator.record.calls.append(
        Call(
            at=asyncio.get_running_loop().time(),
            name=request.query.get("Action", ""),
            method=request.method,
            path=request.path,
            status=response.status if response else 0,
            session=about if isinstance(about, str) else None,
            body=asked,
            code=int(answer.code) if answer else None,
        )
    )
    emulator.record.changed()
