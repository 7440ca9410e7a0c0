"""Other people's clients of HeyGen, unchanged but for the address that they ask.

Pipecat's `HeyGenTransport` and `HeyGenVideoService`, and LiveKit's plugin: installed as packages
(`uv sync --group peers`), with their own REST, socket and state. Of LiveKit's media only the room
is replaced. Tests and `benchmarks/peers` drive the same ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import aiohttp
from livekit import rtc
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.heygen.api_interactive_avatar import HeyGenApi
from pipecat.services.heygen.api_liveavatar import LiveAvatarApi
from pipecat.services.heygen.client import ServiceType
from pipecat.services.heygen.video import HeyGenVideoService
from pipecat.transports.heygen.transport import HeyGenTransport

AVATAR = "1c690fe7-23e0-49f9-bfba-14344450285b"
TRUST_S = 30


class Room(rtc.EventEmitter):
    """A LiveKit room in which nobody else is."""

    name = "room"

    def __init__(self) -> None:
        super().__init__()
        self.remote_participants: dict[str, Any] = {}
        self.local_participant = SimpleNamespace(identity="agent", sid="agent", kind=None)
        self.joined_with = ""

    async def connect(self, url: str, token: str) -> None:
        self.joined_with = token

    async def disconnect(self) -> None:
        pass

    def isconnected(self) -> bool:
        return True


@contextmanager
def pipecat_asks(url: str) -> Iterator[None]:
    """While it lasts, Pipecat's clients ask this address, and are alone in their room."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(rtc, "Room", Room))
        for api in (LiveAvatarApi, HeyGenApi):
            stack.enter_context(patch.object(api, "BASE_URL", f"{url}/v1"))
        yield


def pipecat_parts(
    kind: str,
    http: aiohttp.ClientSession,
    key: str,
    service: ServiceType = ServiceType.LIVE_AVATAR,
) -> list[FrameProcessor]:
    """Pipecat's `transport` or its `video service`, as a pipeline takes it."""
    if kind == "transport":
        transport = HeyGenTransport(http, key, service_type=service)
        return [transport.input(), transport.output()]
    return [HeyGenVideoService(api_key=key, session=http, service_type=service)]


@asynccontextmanager
async def livekit_session(url: str, key: str) -> AsyncIterator[tuple[Any, Any]]:
    """LiveKit's own agent session, and the plugin through which its voice leaves.

    Leaving closes the session first: the plugin then stops the vendor's.
    """
    from livekit.agents import Agent, AgentSession, utils
    from livekit.plugins.liveavatar import AvatarSession

    async with utils.http_context.open():
        session: Any = AgentSession(aec_warmup_duration=None)
        avatar = AvatarSession(avatar_id=AVATAR, api_url=f"{url}/v1/sessions", api_key=key)
        account = {"livekit_api_key": "key", "livekit_api_secret": "s" * 32}
        await avatar.start(session, Room(), livekit_url="wss://livekit.invalid", **account)
        await session.start(agent=Agent(instructions=""))
        try:
            yield session, avatar
        finally:
            await session.aclose()
            assert avatar._main_atask
            await asyncio.wait({avatar._main_atask}, timeout=TRUST_S)
            await avatar.aclose()


def livekit_frame(pcm: bytes, rate_hz: int) -> Any:
    """A piece of a voice, as LiveKit takes it."""
    return rtc.AudioFrame(pcm, rate_hz, 1, len(pcm) // 2)
