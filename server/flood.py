"""Ends a WebSocket that sends faster than anything that talks: `docs/frames.md`, "How it ends"."""

import asyncio

from loguru import logger
from starlette.types import Message, Receive, Send

from .allowance import Allowance

FLOOD = 4429
"""Close code, as the HTTP status 429."""

# A page that was cut off from the network for some seconds sends them at once: this is no flood.
MESSAGES_PER_S, MOST_MESSAGES = 100, 1_200
AUDIO_BYTES_PER_S, MOST_AUDIO_BYTES = 40_000, 640_000
"""A microphone makes 50 messages and 32,000 bytes in a second."""
TEXT_PER_S, MOST_TEXT = 16_000, 512_000
"""Characters. A page that says what it has played makes 2,000."""


class BoundedSocket:
    """`receive` and `send` of one WebSocket, which a flood closes with a code and a sentence."""

    def __init__(self, receive: Receive, send: Send) -> None:
        now = asyncio.get_running_loop().time()
        self._receive = receive
        self._send = send
        self._messages = Allowance(MESSAGES_PER_S, MOST_MESSAGES, now=now)
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
        if not self._messages.spend(1, now=now):
            return "too many messages"
        if not self._audio.spend(len(message.get("bytes") or b""), now=now):
            return "audio comes faster than it is spoken"
        if not self._text.spend(len(message.get("text") or ""), now=now):
            return "too much text"
        return None
