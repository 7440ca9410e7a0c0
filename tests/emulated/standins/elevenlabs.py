"""ElevenLabs' multi-context WebSocket:
https://elevenlabs.io/docs/api-reference/text-to-speech/v-1-text-to-speech-voice-id-multi-stream-input

Text goes in with a `context_id`, audio comes out with the times of its characters, counted from the
beginning of each message. `close_context` is answered by `isFinal`.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web

from .serving import RATE_HZ, Refuse, Standin, break_off, tone

CHARACTER_S = 0.06
PIECE = 10
"""Characters in one message of audio; words are cut anywhere."""


class ElevenLabs(Standin):
    """Speaks 60 ms for each character.

    Args:
        refusals: What the first connections get instead.
        slow_s: How long each sentence takes to begin.
        drops: Which sentences, counted from 0, break off in the middle with the connection.
        garbage: Which sentences are answered with what is no JSON.
    """

    def __init__(
        self,
        *,
        refusals: tuple[Refuse, ...] = (),
        slow_s: float = 0.0,
        drops: tuple[int, ...] = (),
        garbage: tuple[int, ...] = (),
    ) -> None:
        super().__init__(refusals)
        self._slow_s = slow_s
        self._drops = drops
        self._garbage = garbage
        self.sentences: list[str] = []
        self.query: dict[str, str] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        path = "/v1/text-to-speech/{voice}/multi-stream-input"
        async with self.serving(path, self._speak) as address:
            yield f"http://{address}"

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        key = request.headers.get("xi-api-key", "")
        refusal = await self.refused(key)
        if refusal is not None:
            return refusal
        self.query = dict(request.query) | {"voice": request.match_info["voice"]}
        assert self.query["output_format"] == f"pcm_{RATE_HZ}"
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            wanted = json.loads(message.data)
            await self.note(wanted)
            if wanted.get("close_socket"):
                break
            await self._answer(request, socket, wanted)
        return socket

    async def _answer(
        self, request: web.Request, socket: web.WebSocketResponse, wanted: dict[str, object]
    ) -> None:
        context, text = wanted.get("context_id"), wanted.get("text")
        if wanted.get("close_context"):
            await socket.send_json({"isFinal": True, "contextId": context})
        if not context or not isinstance(text, str) or not text.strip():
            return
        number = len(self.sentences)
        self.sentences.append(text)
        await asyncio.sleep(self._slow_s)
        if number in self._garbage:
            await socket.send_str("{this is no JSON")
            return
        pieces = [text[i : i + PIECE] for i in range(0, len(text), PIECE)]
        for piece in pieces[: len(pieces) // 2] if number in self._drops else pieces:
            await socket.send_json({"contextId": context, **_spoken(piece)})
        if number in self._drops:
            await break_off(request)


def _spoken(text: str) -> dict[str, object]:
    step = round(CHARACTER_S * 1000)
    alignment = {
        "chars": list(text),
        "charStartTimesMs": [i * step for i in range(len(text))],
        "charDurationsMs": [step] * len(text),
    }
    audio = base64.b64encode(tone(CHARACTER_S * len(text))).decode()
    return {"audio": audio, "alignment": alignment, "normalizedAlignment": alignment}
