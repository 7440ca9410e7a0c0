"""The control socket: text frames in, events out, with all that can go wrong in between."""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

from ..record import Connection
from ..sockets import write
from .replies import EMULATOR

routes = web.RouteTableDef()


@routes.get("/v2-alpha/interactive-avatar/session/{address}")
async def control(request: web.Request) -> web.WebSocketResponse:
    """Connects a client with the session whose secret address it knows."""
    emulator = request.app[EMULATOR]
    session = emulator.by_address(request.match_info["address"])
    if session is None or not session.may_attach():
        raise web.HTTPForbidden
    offered = request.headers.get("Sec-WebSocket-Extensions", "")
    socket = web.WebSocketResponse(compress=emulator.knobs.deflate, max_msg_size=0)
    await socket.prepare(request)
    emulator.record.connections.append(
        Connection(
            at=asyncio.get_running_loop().time(),
            session=session.id,
            compressed="permessage-deflate" in offered,
            user_agent=request.headers.get("User-Agent", ""),
        )
    )
    outbox = session.attach()
    writer = asyncio.create_task(write(request, socket, outbox), name=f"write {session.id}")
    try:
        async for message in socket:
            await session.reading.wait()
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                session.receive(message.data)
    finally:
        writer.cancel()
        await asyncio.wait({writer})
        session.detach(outbox)
    return socket
