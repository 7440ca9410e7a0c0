"""The drive socket: Start, audio and Stop come in, and nothing goes out."""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

from ..record import Connection
from ..sockets import Hangup, write
from .gateway import EMULATOR
from .task import Line, Task

routes = web.RouteTableDef()


@routes.get("/ws")
async def drive_socket(request: web.Request) -> web.WebSocketResponse:
    """Connects a client with the task that its token is for."""
    emulator = request.app[EMULATOR]
    task = emulator.by_token(request.query.get("Token", ""))
    if task is None:
        raise web.HTTPUnauthorized
    if not task.may_attach():
        raise web.HTTPConflict
    knobs = emulator.knobs
    socket = web.WebSocketResponse(
        compress=knobs.deflate, max_msg_size=0, heartbeat=knobs.ping_s or None, autoping=True
    )
    await socket.prepare(request)
    emulator.record.connections.append(
        Connection(
            at=asyncio.get_running_loop().time(),
            session=task.id,
            compressed="permessage-deflate" in request.headers.get("Sec-WebSocket-Extensions", ""),
            user_agent=request.headers.get("User-Agent", ""),
        )
    )
    line = task.attach()
    writer = asyncio.create_task(write(request, socket, line.outbox), name=f"write {task.id}")
    try:
        await _read(request, socket, task, line, knobs.socket_idle_s)
    finally:
        writer.cancel()
        await asyncio.wait({writer})
        task.detach(line)
    return socket


async def _read(
    request: web.Request, socket: web.WebSocketResponse, task: Task, line: Line, idle_s: float
) -> None:
    loop, idle = asyncio.get_running_loop(), None
    try:
        while True:
            if idle_s:  # pongs do not count
                idle = loop.call_later(idle_s, line.outbox.put_nowait, Hangup(1000))
            message = await socket.receive()
            if idle:
                idle.cancel()
            if not task.reading.is_set():
                await _stall(request, task)
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            task.receive(line, message.data)
    finally:
        if idle:
            idle.cancel()


async def _stall(request: web.Request, task: Task) -> None:
    """Nothing is read, by nobody: what comes fills the buffers of the system, and then waits."""
    if request.transport:
        request.transport.pause_reading()
    await task.reading.wait()
    if request.transport:
        request.transport.resume_reading()
