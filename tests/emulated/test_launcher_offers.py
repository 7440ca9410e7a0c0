"""WebRTC offers at the wrong moment, through the launcher: each is answered, and leaves nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from .processes import children
from .serving import DEADLINE_S
from .test_launcher_door import Launcher, launched

aiortc = pytest.importorskip("aiortc", reason="needs aiortc (uv sync --extra webrtc)")
pytestmark = pytest.mark.asyncio

PLAIN = "/api/offer"
NO_SESSION = (404, {"detail": "There is no such session."})
NO_CONNECTION = (404, {"detail": "There is no such connection."})
REFUSED = {"detail": "Refused."}


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    """With one place, which is free again in the end."""
    with launched(tmp_path, "--max-sessions", "1", PATIENCE_S="2") as launcher:
        (zygote,) = children(launcher.process.pid)
        yield launcher
        assert launcher.asks("GET", "/sessions") == (200, [])
        assert children(zygote) == []
        assert launcher.asks("POST", "/start", {})[0] == 200


class Peer:
    """The page's side of a connection."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self.connection = aiortc.RTCPeerConnection()
        self.told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.connection.createDataChannel("chat").on("message", self.told.set_result)
        self.connection.addTransceiver("audio")

    async def offer(self, path: str, token: str = "", **more: Any) -> tuple[int, Any]:
        """What is answered to an offer."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        offer = {"sdp": self.connection.localDescription.sdp, "type": "offer", **more}
        return await asks(self._launcher, "POST", path, offer, token)

    async def take(self, answer: dict[str, Any]) -> str:
        """Connect; returns the session that the bot says it is."""
        description = aiortc.RTCSessionDescription(answer["sdp"], "answer")
        await self.connection.setRemoteDescription(description)
        async with asyncio.timeout(DEADLINE_S):
            return str(json.loads(await self.told)["session"])


@asynccontextmanager
async def peer(launcher: Launcher) -> AsyncIterator[Peer]:
    found = Peer(launcher)
    try:
        yield found
    finally:
        await found.connection.close()


async def asks(
    launcher: Launcher, method: str, path: str, body: Any = None, token: str = ""
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return await asyncio.to_thread(launcher.asks, method, path, body, **headers)


async def begun(launcher: Launcher) -> tuple[str, str, str]:
    """A session: its id, where its offers go, and its ticket."""
    status, welcome = await asks(launcher, "POST", "/start", {"transport": "webrtc"})
    assert status == 200
    session = welcome["sessionId"]
    return session, f"/sessions/{session}/api/offer", welcome["token"]


@contextmanager
def slow_to_start(launcher: Launcher) -> Iterator[None]:
    (zygote,) = children(launcher.process.pid)
    os.kill(zygote, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(zygote, signal.SIGCONT)


async def starting(launcher: Launcher) -> str:
    """The session that is being started."""
    await launcher.until(launcher.there_are(1))
    ((_, (session,)),) = [await asks(launcher, "GET", "/sessions")]
    assert session["state"] == "starting"
    return str(session["sessionId"])


async def test_offer_for_a_session_that_is_not_ready_is_refused_and_a_later_one_is_not(
    launcher: Launcher,
) -> None:
    async with peer(launcher) as early, peer(launcher) as person:
        with slow_to_start(launcher):
            beginning = asyncio.create_task(begun(launcher))
            path = f"/sessions/{await starting(launcher)}/api/offer"
            assert await early.offer(path) == (401, REFUSED)
            assert await early.offer(path, "no ticket") == (401, REFUSED)
        session, path, token = await beginning
        status, answer = await person.offer(path, token)
        assert status == 200
        assert await person.take(answer) == session
    await launcher.until(launcher.there_are(0))


async def test_offer_that_begins_a_session_waits_until_it_is_ready(launcher: Launcher) -> None:
    async with peer(launcher) as person:
        with slow_to_start(launcher):
            offering = asyncio.create_task(person.offer(PLAIN))
            session = await starting(launcher)
            assert not offering.done()
        status, answer = await offering
        assert status == 200
        assert await person.take(answer) == session
    await launcher.until(launcher.there_are(0))


async def test_second_offer_is_for_the_first_connection_or_for_none(launcher: Launcher) -> None:
    session, path, token = await begun(launcher)
    async with peer(launcher) as person, peer(launcher) as another:
        _, answer = await person.offer(path, token)
        assert await person.take(answer) == session
        assert await another.offer(path, token) == (404, REFUSED)
        assert await another.offer(path, token, pc_id="another") == (404, REFUSED)
        assert await another.offer(PLAIN, pc_id=answer["pc_id"]) == NO_CONNECTION
        status, again = await person.offer(path, token, pc_id=answer["pc_id"])
        assert (status, again["pc_id"]) == (200, answer["pc_id"])
    await launcher.until(launcher.there_are(0))


async def test_second_offer_that_would_begin_a_session_needs_a_place(launcher: Launcher) -> None:
    async with peer(launcher) as person, peer(launcher) as another:
        _, answer = await person.offer(PLAIN)
        await person.take(answer)
        assert await another.offer(PLAIN) == (503, {"detail": "Every place is taken."})
        assert (await person.offer(PLAIN, pc_id=answer["pc_id"]))[0] == 200
    await launcher.until(launcher.there_are(0))


async def test_offer_after_the_end_finds_nothing(launcher: Launcher) -> None:
    session, path, token = await begun(launcher)
    async with peer(launcher) as person, peer(launcher) as late:
        _, answer = await person.offer(path, token)
        await person.take(answer)
        assert (await asks(launcher, "DELETE", f"/sessions/{session}"))[0] == 204
        patch = {"pc_id": answer["pc_id"], "candidates": []}
        assert await late.offer(path, token, pc_id=answer["pc_id"]) == NO_SESSION
        assert await asks(launcher, "PATCH", path, patch, token) == NO_SESSION
        assert await late.offer(PLAIN, pc_id=answer["pc_id"]) == NO_CONNECTION
        assert await asks(launcher, "PATCH", PLAIN, patch) == NO_CONNECTION


async def test_first_offer_after_the_end_finds_nothing(launcher: Launcher) -> None:
    session, path, token = await begun(launcher)
    assert (await asks(launcher, "DELETE", f"/sessions/{session}"))[0] == 204
    async with peer(launcher) as late:
        assert await late.offer(path, token) == NO_SESSION


async def test_session_without_an_offer_ends(launcher: Launcher) -> None:
    session, _, _ = await begun(launcher)
    await launcher.until(launcher.there_are(0))
    assert launcher.is_over(session)


@pytest.mark.parametrize("is_plain", [False, True])
async def test_session_whose_answer_nobody_takes_ends(launcher: Launcher, is_plain: bool) -> None:
    path, token = (PLAIN, "") if is_plain else (await begun(launcher))[1:]
    async with peer(launcher) as person:
        assert (await person.offer(path, token))[0] == 200
        await launcher.until(launcher.there_are(0))


@pytest.mark.parametrize("sdp", ["", "junk", "m=audio 0 UDP/TLS/RTP/SAVPF 0", "m=audio 9 x y z"])
async def test_offer_that_leads_nowhere_begins_nothing(launcher: Launcher, sdp: str) -> None:
    status, answer = await asks(launcher, "POST", PLAIN, {"type": "offer", "sdp": sdp})
    assert (status, answer) == (400, {"detail": "The offer was not understood."})
    await launcher.until(launcher.there_are(0))


async def test_offer_that_leads_nowhere_may_be_sent_again(launcher: Launcher) -> None:
    session, path, token = await begun(launcher)
    assert (await asks(launcher, "POST", path, {"type": "offer", "sdp": "junk"}, token))[0] == 400
    async with peer(launcher) as person:
        status, answer = await person.offer(path, token)
        assert status == 200
        assert await person.take(answer) == session
    await launcher.until(launcher.there_are(0))
