"""Cartesia's WebSocket: https://docs.cartesia.ai/api-reference/tts/websocket

Text goes in with a `context_id`; `chunk`s of audio and `timestamps` of words come out, counted from
the beginning of the context. `continue: false` is answered by `done`.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web

from .serving import RATE_HZ, Refuse, Standin, break_off, tone

WORD_S = 0.3


class Cartesia(Standin):
    """Speaks 0.3 s for each word.

    Args:
        refusals: What the first connections get instead.
        slow_s: How long each sentence takes to begin.
        drops: Which sentences, counted from 0, break off in the middle with the connection.
        errors: Which sentences are answered with an error.
    """

    def __init__(
        self,
        *,
        refusals: tuple[Refuse, ...] = (),
        slow_s: float = 0.0,
        drops: tuple[int, ...] = (),
        errors: tuple[int, ...] = (),
    ) -> None:
        super().__init__(refusals)
        self._slow_s = slow_s
        self._drops = drops
        self._errors = errors
        self._said_s: dict[object, float] = defaultdict(float)
        self.sentences: list[str] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        async with self.serving("/tts/websocket", self._speak) as address:
            yield f"http://{address}"

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        key = request.headers.get("x-api-key", "")
        refusal = await self.refused(key)
        if refusal is not None:
            return refusal
        assert request.headers["cartesia-version"]
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            wanted = json.loads(message.data)
            await self.note(wanted)
            if not wanted.get("cancel"):
                await self._answer(request, socket, wanted)
        return socket

    async def _answer(
        self, request: web.Request, socket: web.WebSocketResponse, wanted: dict[str, object]
    ) -> None:
        context, text = wanted["context_id"], str(wanted["transcript"])
        assert wanted["output_format"] == {
            "container": "raw",
            "encoding": "pcm_s16le",
            "sample_rate": RATE_HZ,
        }
        head = {"context_id": context, "status_code": 206, "done": False}
        words = text.split()
        if words:
            number = len(self.sentences)
            self.sentences.append(text)
            await asyncio.sleep(self._slow_s)
            if number in self._errors:
                error = {"type": "error", "error": "overloaded", "status_code": 500}
                await socket.send_json(head | error | {"done": True})
                return
            for word in words[: len(words) // 2] if number in self._drops else words:
                await self._word(socket, head, word)
            if number in self._drops:
                await break_off(request)
                return
        if wanted["continue"]:
            return
        await socket.send_json(head | {"type": "done", "done": True, "status_code": 200})

    async def _word(
        self, socket: web.WebSocketResponse, head: dict[str, object], word: str
    ) -> None:
        start = self._said_s[head["context_id"]]
        self._said_s[head["context_id"]] = end = start + WORD_S
        times = {"words": [word], "start": [start], "end": [end]}
        await socket.send_json(head | {"type": "timestamps", "word_timestamps": times})
        audio = base64.b64encode(tone(WORD_S)).decode()
        await socket.send_json(head | {"type": "chunk", "data": audio, "step_time": 1.0})
