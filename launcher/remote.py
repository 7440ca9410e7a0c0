"""Asks a launcher that runs: `uv run -m launcher start|list|stop|drain`."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

LOOK_S = 0.5
_PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=5)
_SESSIONS = re.compile(r"^avatarbot_sessions\{.*\} (\S+)$", re.MULTILINE)


class RemoteError(Exception):
    """What was asked for was not done. The text is a sentence."""


class Remote:
    """A launcher.

    Args:
        url: Where it is.
        key: The key of a tenant; without one it is asked as its own page asks.
        prove: Headers that show for one request that it comes from this machine.
        say: Told how it goes, in lines.
    """

    def __init__(
        self,
        url: str,
        key: str | None,
        *,
        prove: Callable[[], Mapping[str, str]],
        say: Callable[[str], object],
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {"Origin": self._url}
        self._prove = prove
        self._say = say

    async def start(self, transport: str) -> str:
        """Begin a session; returns the way in, as JSON."""
        self._say("starting …")
        began = time.monotonic()
        welcome = await self._ask("POST", "/start", {"transport": transport})
        self._say(f"ready after {time.monotonic() - began:.2f} s")
        return json.dumps(welcome, indent=2)

    async def list(self) -> str:
        """A line for each session."""
        now = time.time()
        lines = [
            f"{each['sessionId']}  {each['transport']:<9}  {each['state']:<8}"
            f"  {now - each['began']:.0f} s"
            for each in await self._ask("GET", "/sessions")
        ]
        return "\n".join(lines or ["There are no sessions."])

    async def stop(self, session: str) -> str:
        """End a session."""
        self._say("ending …")
        await self._ask("DELETE", f"/sessions/{session}")
        return f"{session} is over."

    async def drain(self) -> str:
        """Have the launcher end, and wait until it has."""
        await self._ask("POST", "/drain", {})
        left: int | None = None
        while (now_left := await self._left()) is not None:
            if now_left != left:
                left = now_left
                self._say(f"sessions left: {left}")
            await asyncio.sleep(LOOK_S)
        return "It has ended."

    async def _left(self) -> int | None:
        """How many sessions go on; None: it has ended."""
        try:
            return sum(
                int(float(each)) for each in _SESSIONS.findall(await self._ask("GET", "/metrics"))
            )
        except Unreachable:
            return None

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            async with (
                aiohttp.ClientSession(self._url, headers=self._headers, timeout=_PATIENCE) as http,
                http.request(method, path, json=body, headers=self._prove()) as answer,
            ):
                text = await answer.text()
                if answer.ok:
                    return json.loads(text) if answer.content_type == "application/json" else text
                raise RemoteError(_sentence(answer.status, text))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unreachable(f"No launcher answers at {self._url}: {error}") from None


class Unreachable(RemoteError):
    """Nobody answers."""


def _sentence(status: int, text: str) -> str:
    try:
        return f"{json.loads(text)['detail']} ({status})"
    except (ValueError, KeyError, TypeError):
        return f"It answers with {status}."
