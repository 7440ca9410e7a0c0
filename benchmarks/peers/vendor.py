"""The emulated vendor in a process of its own, and what it tells of a session."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).parents[2]
RATE_HZ = 24_000
CONNECTED_MS, PREFIX = 10, "SECRET-"
UNLIMITED = ("--credits", "1e9", "--max-seconds", "1e6", "--idle-seconds", "1e6")
QUIET_S = 0.45
"""Some clients guess the end of speech from 350 ms without any: what they do then counts too."""
DRY_S = 1.5

Json = dict[str, Any]


class Vendor:
    """Asks the emulator what it has heard, and tells it what shall go wrong."""

    key = f"{PREFIX}liveavatar-key"
    heygen_key = f"{PREFIX}heygen-key"

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http

    async def ask(self, path: str, **query: Any) -> Json:
        async with self._http.get(f"{self.url}/_emulator/{path}", params=query) as reply:
            return await reply.json()

    async def sessions(self) -> list[Json]:
        return (await self.ask("sessions"))["sessions"]

    async def session(self, session: str, since: float) -> Json:
        """What was heard of speech that came after this time."""
        return await self.ask(f"sessions/{session}", since=since)

    async def received(self, session: str, since: float) -> list[Json]:
        return (await self.ask("messages", session=session, since=since))["received"]

    async def audio(self, session: str, since: float) -> bytes:
        url = f"{self.url}/_emulator/sessions/{session}/heard.pcm"
        async with self._http.get(url, params={"since": since}) as reply:
            return await reply.read()

    async def script(self, **what: Any) -> None:
        async with self._http.post(f"{self.url}/_emulator/script", json=what) as reply:
            reply.raise_for_status()

    async def turn(self, **knobs: Any) -> None:
        await self.script(knobs=knobs)

    async def silence(self, session: str, since: float, within_s: float = 60.0) -> Json:
        """The session, once it is idle and has been told nothing more for a while.

        An avatar that is never told the end of its speech is not waited for when it has run dry.
        """
        until = asyncio.get_running_loop().time() + within_s
        heard, moved_at = -1, 0.0
        while True:
            await asyncio.sleep(0.1)
            found = await self.session(session, since)
            if found["now"] > until or found["state"] == "GONE":
                return found
            if heard != found["samples_heard"]:
                heard, moved_at = found["samples_heard"], found["now"]
            if found["state"] in ("OPEN", "SEALED") and found["now"] < moved_at + DRY_S:
                continue
            ends = [each["ended_at"] for each in found["utterances"] if each["ended_at"]]
            told = [each["at"] for each in await self.received(session, since)]
            if found["now"] - max([since, *ends, *told]) > QUIET_S:
                return found


@asynccontextmanager
async def emulated_vendor(*options: str) -> AsyncIterator[Vendor]:
    """Runs `python -m emulators.heygen` while the block runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "emulators.heygen", "--connected-delay-ms", str(CONNECTED_MS)),
        *(*UNLIMITED, "--seed", "1", *options),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().split()[-1]
        async with aiohttp.ClientSession() as http:
            yield Vendor(url, http)
    finally:
        process.terminate()
        await process.wait()
