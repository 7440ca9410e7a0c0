"""How a person negotiates WebRTC with a session."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fastapi import APIRouter, HTTPException, Request

_WAY_IN = re.compile(r"^m=\w+ [1-9]", re.MULTILINE)
"""A medium that is not turned down. An offer without one is accepted, and never connects."""


def routes(answer: Callable[[object], Awaitable[None]], arguments: Mapping[str, Any]) -> APIRouter:
    """The routes, as Pipecat's runner has them.

    Args:
        answer: Runs the bot for a connection.
        arguments: What is special about it: `ice_servers`.
    """
    from pipecat.transports.smallwebrtc.connection import IceServer
    from pipecat.transports.smallwebrtc.request_handler import (
        ConnectionMode,
        IceCandidate,
        SmallWebRTCPatchRequest,
        SmallWebRTCRequest,
        SmallWebRTCRequestHandler,
    )

    ice_servers = [IceServer(**each) for each in arguments.get("ice_servers", ())]
    handler = SmallWebRTCRequestHandler(
        ice_servers=ice_servers or None, connection_mode=ConnectionMode.SINGLE
    )
    router = APIRouter()

    @router.post("/api/offer")
    async def offer(request: Request) -> Any:
        with _understood():
            asked = await request.json()
            if not _WAY_IN.search(asked["sdp"]):
                raise ValueError("nothing would ever come of it")
            description = SmallWebRTCRequest(
                sdp=asked["sdp"],
                type=asked["type"],
                pc_id=asked.get("pc_id"),
                restart_pc=asked.get("restart_pc"),
            )
            return await handler.handle_web_request(description, answer)

    @router.patch("/api/offer")
    async def candidates(request: Request) -> Any:
        with _understood():
            asked = await request.json()
            patch = SmallWebRTCPatchRequest(
                asked["pc_id"], [IceCandidate(**each) for each in asked["candidates"]]
            )
        await handler.handle_patch_request(patch)
        return {"status": "success"}

    return router


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError):
        raise HTTPException(400, "This is no offer.") from None
