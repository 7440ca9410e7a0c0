"""Deepgram's live transcription: https://developers.deepgram.com/reference/listen-live

A WebSocket at `/v1/listen`: binary messages are audio, text messages are controls. `Finalize` is
answered by a `Results` with `from_finalize`.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web

from .serving import Refuse, Standin


class Deepgram(Standin):
    """Hears what the script says, once for each time that it is told to finalize.

    Args:
        transcripts: What is heard.
        refusals: What the first connections get instead.
        slow_s: How long a handshake takes.
    """

    def __init__(self, *transcripts: str, refusals: tuple[Refuse, ...] = (), slow_s: float = 0):
        super().__init__(refusals)
        self._transcripts = deque(transcripts)
        self._slow_s = slow_s
        self._request: web.Request | None = None
        self._socket: web.WebSocketResponse | None = None
        self.heard_bytes = 0
        self.query: dict[str, str] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        async with self.serving("/v1/listen", self._listen) as address:
            yield f"http://{address}"

    def drop(self) -> None:
        """The connection is gone, without a word."""
        assert self._request is not None
        assert self._request.transport is not None
        self._request.transport.abort()

    async def say(self, text: str) -> None:
        """Send a raw message."""
        assert self._socket is not None
        await self._socket.send_str(text)

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self._slow_s)
        key = request.headers.get("authorization", "").removeprefix("Token ")
        refusal = await self.refused(key, code="INVALID_AUTH")
        if refusal is not None:
            return refusal
        self._request, self.query = request, dict(request.query)
        self._socket = socket = web.WebSocketResponse()
        await socket.prepare(request)
        await self.note({"type": "connected"})
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                self.heard_bytes += len(message.data)
            elif message.type is WSMsgType.TEXT:
                control = json.loads(message.data)
                await self.note(control)
                if control["type"] == "Finalize":
                    text = self._transcripts.popleft() if self._transcripts else ""
                    await socket.send_str(json.dumps(_results(text)))
                elif control["type"] == "CloseStream":
                    break
        return socket


def _results(transcript: str) -> dict[str, object]:
    return {
        "type": "Results",
        "channel_index": [0, 1],
        "duration": 1.0,
        "start": 0.0,
        "is_final": True,
        "speech_final": True,
        "from_finalize": True,
        "channel": {
            "alternatives": [{"transcript": transcript, "confidence": 0.99, "words": []}],
        },
        "metadata": {
            "request_id": "r",
            "model_uuid": "m",
            "model_info": {"name": "n", "version": "v", "arch": "a"},
        },
    }
