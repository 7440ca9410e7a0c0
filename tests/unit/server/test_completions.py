"""The endpoint without a socket: what takes a while, and what happens in the meantime."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message

from server.completions import KEEP_ALIVE_S, AgentBrain, Completions, reachable
from server.errors import PublicUrlError

pytestmark = pytest.mark.asyncio

SESSION = "11111111-2222-3333-4444-555555555555"
ORIGIN = "https://bot.example.com"


class Slow:
    """Somebody who says things after so many seconds each, and notes what is told of them."""

    def __init__(self, *script: tuple[float, str]) -> None:
        self.asked: list[tuple[str, int | None]] = []
        self.interrupted = 0
        self.told: list[Any] = []
        self._script = script

    async def answer(self, text: str, *, round_id: int | None = None) -> AsyncGenerator[str, None]:
        self.asked.append((text, round_id))
        try:
            for pause_s, piece in self._script:
                await asyncio.sleep(pause_s)
                yield piece
        except (asyncio.CancelledError, GeneratorExit):
            self.interrupted += 1
            raise

    def remember(self, text: str) -> None:
        self.told.append(("remember", text))

    async def played(self, text: str, *, round_id: int | None = None, certain: bool = True) -> None:
        self.told.append(("played", text, round_id))

    async def cut(self, played_text: str, *, round_id: int | None = None) -> None:
        self.told.append(("cut", played_text, round_id))


class Endpoint:
    """The endpoint, and somebody who asks."""

    def __init__(self) -> None:
        self.completions = Completions()
        self._app = FastAPI()
        self._app.include_router(self.completions.router)
        self.left = asyncio.Event()
        self.status = 0
        self.sent: list[tuple[float, str]] = []

    def lend(self, brain: Slow) -> Any:
        return self.completions.lend(brain, session=SESSION, origin=ORIGIN)

    async def ask(self, agent: AgentBrain, **body: Any) -> None:
        asked = {"messages": [{"role": "user", "content": "hello"}], "stream": True} | body
        whole: list[Message] = [{"type": "http.request", "body": json.dumps(asked).encode()}]
        began = asyncio.get_running_loop().time()

        async def receive() -> Message:
            if whole:
                return whole.pop()
            await self.left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            self.status = message.get("status", self.status)
            if body := message.get("body"):
                self.sent.append((asyncio.get_running_loop().time() - began, body.decode()))

        scope = {
            "type": "http",
            "method": "POST",
            "path": agent.url.removeprefix(ORIGIN),
            "query_string": b"",
            "headers": [(b"authorization", f"Bearer {agent.key}".encode())],
        }
        await self._app(scope, receive, send)

    @property
    def error(self) -> Any:
        """What went wrong, in the last thing that was sent."""
        text = self.sent[-1][1].removeprefix("data: ")
        return self.status, json.loads(text)["error"]["code"]


async def test_comments_keep_a_slow_stream_alive() -> None:
    endpoint, brain = Endpoint(), Slow((12.0, "Well."))
    with endpoint.lend(brain) as agent:
        await endpoint.ask(agent)
    assert [at for at, _ in endpoint.sent] == pytest.approx([KEEP_ALIVE_S, 10.0, 12.0, 12.0])
    comments = [text for _, text in endpoint.sent[:2]]
    assert all(text.startswith(":") and text.endswith("\n\n") for text in comments)
    assert '"content": "Well."' in endpoint.sent[2][1]


async def test_silence_is_an_error_before_and_after_the_stream_has_begun() -> None:
    for pause_s, status in ((1.0, 502), (7.0, 200)):
        endpoint = Endpoint()
        with endpoint.lend(Nothing(pause_s)) as agent:
            await endpoint.ask(agent)
        assert endpoint.error == (status, "no_answer")
        assert "[DONE]" not in endpoint.sent[-1][1]


class Nothing(Slow):
    """Somebody who has nothing to say, after a while."""

    def __init__(self, pause_s: float) -> None:
        super().__init__()
        self._pause_s = pause_s

    async def answer(self, text: str, *, round_id: int | None = None) -> AsyncGenerator[str, None]:
        await asyncio.sleep(self._pause_s)
        for piece in ():
            yield piece


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("end", ["gone", "renewed", "over"])
async def test_whoever_hangs_up_or_has_no_key_any_more_interrupts(end: str, stream: bool) -> None:
    endpoint, brain = Endpoint(), Slow((1.0, "One "), (60.0, "two."))
    with endpoint.lend(brain) as agent:
        asking = asyncio.create_task(endpoint.ask(agent, stream=stream))
        await asyncio.sleep(2.0)
        if end == "gone":
            endpoint.left.set()
        elif end == "renewed":
            agent.renew()
        if end != "over":
            await asking
    await asking
    assert brain.interrupted == 1
    assert asyncio.get_running_loop().time() < 10
    if end == "gone":
        assert len(endpoint.sent) == stream
    else:
        assert endpoint.error == (200 if stream else 404, "not_found")


async def test_what_became_of_an_answer_is_handed_on_with_its_round() -> None:
    endpoint, brain = Endpoint(), Slow((1.0, "Yes."))
    with endpoint.lend(brain) as agent:
        await endpoint.ask(agent, agent_info={"round_id": "12"})
        await agent.played("Yes.", round_id=12)
        await agent.cut("Y", round_id=12)
    assert brain.asked == [("hello", 12)]
    assert brain.told == [("played", "Yes.", 12), ("cut", "Y", 12)]


async def test_key_is_long_fresh_and_shown_by_nothing() -> None:
    completions, keys = Completions(), set()
    with completions.lend(Slow(), session=SESSION, origin=ORIGIN) as agent:
        for _ in range(100):
            keys.add(agent.key)
            agent.renew()
        assert agent.url == f"{ORIGIN}/sessions/{SESSION}/v1/chat/completions"
        assert agent.key not in repr(vars(completions)) + repr(agent)
    assert len(keys) == 100
    assert {len(key) for key in keys} == {43}  # 256 bits


async def test_vendor_reaches_only_what_is_encrypted_or_on_its_own_machine() -> None:
    vendor = "https://aigc-aiagent-api.zegotech.cn"
    emulator = "http://127.0.0.1:8095"
    asked = partial(reachable, otherwise="LLM_URL")
    assert asked(ORIGIN, vendor=vendor) == ORIGIN
    assert asked(ORIGIN, vendor=emulator) == ORIGIN
    assert asked("http://localhost:7860", vendor=emulator) == "http://localhost:7860"
    for url, other in (
        (None, vendor),
        (None, emulator),
        ("http://localhost:7860", vendor),
        ("http://bot.example.com", emulator),
    ):
        with pytest.raises(PublicUrlError, match=r"set PUBLIC_URL to .* Or set LLM_URL to "):
            asked(url, vendor=other)
