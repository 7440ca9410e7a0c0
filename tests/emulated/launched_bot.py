"""A bot for the tests of the launcher's door: it says what it sees, and echoes."""

import asyncio
import json
import os
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from loguru import logger

from launcher import session_server

if patience_s := os.environ.get("PATIENCE_S"):
    session_server.PAGE_JOINING_S = session_server.REJOIN_S = float(patience_s)

router = APIRouter()


@router.get("/vendor/counted")
async def counted() -> StreamingResponse:
    async def lines() -> Any:
        for number in range(3):
            yield f"data: {number}\n\n"
            await TURN.wait()
            TURN.clear()

    return StreamingResponse(lines(), media_type="text/event-stream")


@router.post("/vendor/turn")
async def turn() -> dict[str, str]:
    TURN.set()
    return {"turned": "yes"}


TURN = asyncio.Event()


async def bot(runner_args: Any) -> None:
    if hasattr(runner_args, "webrtc_connection"):
        await over_webrtc(runner_args)
    elif hasattr(runner_args, "websocket"):
        await over_websocket(runner_args)
    else:  # a room, which nobody here can join
        room = getattr(runner_args, "room_url", None) or runner_args.room_name
        logger.info(f"in {room}, with a token of {len(runner_args.token)} characters")


async def over_websocket(runner_args: Any) -> None:
    socket = runner_args.websocket
    seen = {
        "session": runner_args.session_id,
        "body": runner_args.body,
        "claims": socket.scope["avatarbot"].session,
        "headers": dict(socket.headers),
        "query": str(socket.query_params),
        "client": socket.client.host,
        "renewed": await socket.scope["avatarbot.renew"](),
    }
    await socket.send_text(json.dumps(seen))
    async for text in socket.iter_text():
        if text == "fail":
            raise RuntimeError("as it was asked to")
        if text == "end":
            return
        await socket.send_text(text)


async def over_webrtc(runner_args: Any) -> None:
    connection, over = runner_args.webrtc_connection, asyncio.Event()
    connection.connection_timeout_secs = float(patience_s or 60)

    @connection.event_handler("connected")
    async def greet(_: object) -> None:
        connection.send_app_message({"session": runner_args.session_id})

    @connection.event_handler("closed")
    async def end(_: object) -> None:
        over.set()

    await connection.connect()
    await over.wait()
