"""Ends a WebSocket that sends faster than anything that talks: `docs/frames.md`, "How it ends"."""

import asyncio

from loguru import logger
from starlette.types import Message, Receive, Send

from .allowance import Allowance

FLOOD = 4429
"""Close code, as the HTTP status 429."""

# A page that was cut off from the network for some seconds sends them at once: this is no flood.
PIECES_PER_S, MOST_PIECES = 100, 1_200
AUDIO_BYTES_PER_S, MOST_AUDIO_BYTES = 40_000, 640_000
"""A microphone makes 50 messages and 32,000 bytes in a second."""
TEXTS_PER_S, MOST_TEXTS = 20, 200
TEXT_PER_S, MOST_TEXT = 16_000, 256_000
"""Messages and characters. A page that says what it has played makes 10 and 2,000."""


class BoundedSocket:
    """`receive` and `send` of one WebSocket, which a flood closes with a code and a sentence."""

    def __init__(self, receive: Receive, send: Send) -> None:
        now = asyncio.get_running_loop().time()
        self._receive = receive
        self._send = send
        self._pieces = Allowance(PIECES_PER_S, MOST_PIECES, now=now)
        self._texts = Allowance(TEXTS_PER_S, MOST_TEXTS, now=now)
        self._audio = Allowance(AUDIO_BYTES_PER_S, MOST_AUDIO_BYTES, now=now)
        self._text = Allowance(TEXT_PER_S, MOST_TEXT, now=now)
        self._ended = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] != "websocket.receive" or not (problem := self._problem(message)):
            return message
        self._ended = True
        logger.warning(f"ended a session: {problem}")
        await self._send({"type": "websocket.close", "code": FLOOD, "reason": problem})
        return {"type": "websocket.disconnect", "code": FLOOD, "reason": problem}

    async def send(self, message: Message) -> None:
        if not self._ended:
            await self._send(message)

    def _problem(self, message: Message) -> str | None:
        now = asyncio.get_running_loop().time()
        text = message.get("text")
        if not (self._pieces if text is None else self._texts).spend(1, now=now):
            return "too many messages"
        if text is not None and not self._text.spend(len(text), now=now):
            return "too much text"
        if text is None and not self._audio.spend(len(message.get("bytes") or b""), now=now):
            return "audio comes faster than it is spoken"
        return None
