"""OpenAI's chat completions: https://platform.openai.com/docs/api-reference/chat/streaming

`POST /v1/chat/completions` with `stream: true` answers in server-sent events. Ollama's
`/v1/chat/completions` is the same.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from .serving import KEY, Refuse, Standin, break_off


@dataclass(frozen=True)
class Say:
    """Stream a text, word by word."""

    text: str
    after_s: float = 0.0
    drops: bool = False


@dataclass(frozen=True)
class Call:
    """Call a function, with something said before it or without."""

    name: str
    arguments: dict[str, object]
    saying: str = ""


@dataclass(frozen=True)
class Hold:
    """Stream a text, and then nothing, until whoever asked has gone."""

    text: str = ""


@dataclass(frozen=True)
class Garbage:
    """Stream what is no JSON."""


Reply = Say | Call | Hold | Garbage | Refuse


class OpenAI(Standin):
    """Answers one scripted reply for each request; `key=None` takes requests without a key."""

    def __init__(self, *replies: Reply, key: str | None = KEY) -> None:
        super().__init__()
        self._replies = deque(replies)
        self._key = key
        self._calls = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        async with self.serving("/v1/chat/completions", self._complete) as address:
            yield f"http://{address}/v1"

    def then(self, *replies: Reply) -> None:
        self._replies.extend(replies)

    def asked(self) -> list[list[dict[str, object]]]:
        """The messages of each request so far."""
        return [request["messages"] for request in self.received]

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        await self.note(await request.json())
        reply = self._replies.popleft()
        if self._key is not None and key != self._key:
            reply = Refuse(401, code="invalid_api_key")
        if isinstance(reply, Refuse):
            return reply.response(key)
        return await self._stream(request, reply)

    async def _stream(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        if isinstance(reply, Say) and reply.after_s:
            await asyncio.sleep(reply.after_s)
        await response.prepare(request)
        if isinstance(reply, Garbage):
            await response.write(b"data: {this is no JSON\n\n")
            return response
        text = reply.saying if isinstance(reply, Call) else reply.text
        for word in text.split(" ") if text else []:
            await self._chunk(response, {"content": word + " "})
        if isinstance(reply, Say) and reply.drops:
            await break_off(request)
            return response
        if isinstance(reply, Hold):
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0.01)
            await self.note({"left": reply.text, "messages": []})
            return response
        if isinstance(reply, Call):
            self._calls += 1
            function = {"name": reply.name, "arguments": ""}
            head = {"index": 0, "id": f"call_{self._calls}", "type": "function"}
            await self._chunk(response, {"tool_calls": [head | {"function": function}]})
            pieces = json.dumps(reply.arguments)
            for piece in (pieces[:5], pieces[5:]):
                call = {"index": 0, "function": {"arguments": piece}}
                await self._chunk(response, {"tool_calls": [call]})
        finish = "tool_calls" if isinstance(reply, Call) else "stop"
        await self._chunk(response, {}, finish=finish)
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _chunk(
        self, response: web.StreamResponse, delta: dict[str, object], finish: str | None = None
    ) -> None:
        chunk = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "stand-in",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
