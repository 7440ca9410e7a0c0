"""The endpoint that a vendor's agent asks for its words: a bot alone, and behind the launcher."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from websockets.asyncio.client import ClientConnection

from emulators.zego import Emulator
from server.completions import LARGEST_BODY
from tests.emulated.serving import DEADLINE_S, ROOT, Place, Server, free_port, ticket
from tests.emulated.standins.openai import Call, Hold, OpenAI, Reply, Say
from tests.emulated.standins.serving import KEY, Refuse
from tests.emulated.test_zego_emulator_agents import joined, told
from tests.emulated.visitor import running_bot

pytestmark = pytest.mark.asyncio

HELLO = {"messages": [{"role": "user", "content": "hello"}]}
BOT = ROOT / "tests" / "emulated" / "agent_bot.py"


class Host(Server, Place):
    """Where sessions of the bot run, and the sessions that somebody is connected to."""

    def __init__(self, way: str, folder: Path, **environment: str) -> None:
        port = free_port()
        command = {
            "alone": ("-m", "tests.emulated.agent_bot", str(port)),
            "launched": (
                *("-m", "launcher", "--bot", str(BOT), "--port", str(port), "-vv"),
                *("--log-folder", str(folder / "logs")),
            ),
        }
        Place.__init__(self, f"http://localhost:{port}", port)
        Server.__init__(
            self,
            *command[way],
            XDG_STATE_HOME=str(folder),
            PUBLIC_URL=self.origin,
            **environment,
        )
        self.folder = folder
        self.keys: set[str] = set()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Agent]:
        async with self.dial(await ticket(self)) as wire, aiohttp.ClientSession() as http:
            agent = Agent(wire, http, self.keys)
            await agent.tell()
            yield agent

    def check_logs(self) -> None:
        """No key was logged."""
        self.stop()
        files = self.folder.glob("logs/*.log")
        log = self.log + "".join(each.read_text() for each in files)
        assert self.keys
        assert not [each for each in (*self.keys, "SECRET-") if each in log]


class Agent:
    """One session as its vendor has it, and as whoever is connected to it."""

    def __init__(self, wire: ClientConnection, http: aiohttp.ClientSession, keys: set[str]) -> None:
        self._wire, self._http, self._keys = wire, http, keys
        self.url = self.key = self.model = ""
        self.said: list[list[str]] = []

    async def tell(self, do: str | None = None, **arguments: Any) -> None:
        await self._wire.send(json.dumps({"do": do, **arguments}))
        async with asyncio.timeout(DEADLINE_S):
            vars(self).update(json.loads(await self._wire.recv()))
        self._keys.add(self.key)

    def client(self, key: str = "") -> openai.AsyncOpenAI:
        url = self.url.removesuffix("/chat/completions")
        return openai.AsyncOpenAI(api_key=key or self.key, base_url=url, max_retries=0)

    async def ask(
        self, body: Any, *, key: str | None = None, url: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Sends a request; returns status and answer."""
        async with self.asking(body, key=key, url=url) as answer:
            return answer.status, await answer.json(content_type=None)

    @asynccontextmanager
    async def asking(
        self, body: Any, *, key: str | None = None, url: str = ""
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        shown = self.key if key is None else key
        headers = {"Authorization": f"Bearer {shown}"} if shown else {}
        timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
        async with self._http.post(
            url or self.url, data=raw, headers=headers, timeout=timeout
        ) as answer:
            yield answer

    def question(self, text: str, round_id: int, **info: Any) -> dict[str, Any]:
        """As the vendor asks."""
        named = {"room_id": "r1", "agent_instance_id": "i1", "round_id": round_id} | info
        return {
            "model": self.model,
            "stream": True,
            "messages": [{"role": "user", "content": text}],
            "agent_info": named,
        }


@pytest.fixture(params=["alone", "launched"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def host(way: str, tmp_path: Path) -> Iterator[Host]:
    host = Host(way, tmp_path, LLM="local")
    try:
        yield host.opened()
    finally:
        host.check_logs()


@asynccontextmanager
async def thinking(way: str, folder: Path, *replies: Reply) -> AsyncIterator[tuple[Agent, OpenAI]]:
    """A session whose language model is a stand-in."""
    model = OpenAI(*replies)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(model.running())
        host = Host(way, folder, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=url)
        stack.callback(host.check_logs)
        await asyncio.to_thread(host.opened)
        yield await stack.enter_async_context(host.session()), model


async def test_openai_client_is_answered_streaming_and_whole(host: Host) -> None:
    async with host.session() as agent, agent.client() as client:
        asked: Any = {"model": "any", "messages": [{"role": "user", "content": "My name is Maria"}]}
        stream = await client.chat.completions.create(**asked, stream=True)
        chunks = [chunk async for chunk in stream]
        said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert "Maria" in said
        assert len(chunks) > 3
        assert [chunk.choices[0].finish_reason for chunk in chunks] == [
            *[None] * (len(chunks) - 1),
            "stop",
        ]
        assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
        assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
        assert chunks[0].choices[0].delta.role == "assistant"
        await agent.tell("played", text=said)
        asked["messages"] = [
            {"role": "system", "content": "Say that everybody is called Otto."},
            {"role": "user", "content": "My name is Otto"},
            {"role": "user", "content": [{"type": "text", "text": "What is my name?"}]},
        ]
        whole = await client.chat.completions.create(**asked)
        assert whole.choices[0].message.content == "Your name is Maria."
        assert (whole.object, whole.choices[0].finish_reason) == ("chat.completion", "stop")


async def test_stream_is_as_the_vendor_wants_it(host: Host) -> None:
    async with host.session() as agent:
        async with agent.asking(agent.question("What time is it?", 1)) as answer:
            assert answer.status == 200
            assert answer.content_type == "text/event-stream"
            *chunks, done, rest = (await answer.text()).split("\n\n")
        assert (done, rest) == ("data: [DONE]", "")
        choices = [json.loads(each.removeprefix("data: "))["choices"][0] for each in chunks]
        assert [each["finish_reason"] for each in choices][-1] == "stop"
        assert not any(each["finish_reason"] for each in choices[:-1])


async def test_only_the_key_of_this_session_finds_anything(host: Host) -> None:
    async with host.session() as agent, host.session() as other:
        for key in ("", "wrong", "é", other.key, agent.key[:-1], agent.key + "A"):
            status, answer = await agent.ask(HELLO, key=key)
            assert (status, answer["error"]["code"]) == (404, "not_found"), key
        assert (await other.ask(HELLO, url=agent.url))[0] == 404
        assert (await agent.ask(HELLO, url=f"{host.origin}/v1/chat/completions"))[0] == 404
        async with agent.client("wrong") as client:
            asked: Any = {"model": "any", **HELLO}
            with pytest.raises(openai.NotFoundError):
                await client.chat.completions.create(**asked)
        assert (await agent.ask(HELLO))[0] == 200
        before = agent.key
        await agent.tell("renew")
        assert (await agent.ask(HELLO, key=before))[0] == 404
        assert (await agent.ask(HELLO))[0] == 200


async def test_key_ends_with_its_session(host: Host) -> None:
    async with host.session() as agent:
        assert (await agent.ask(HELLO))[0] == 200
    async with aiohttp.ClientSession() as http, asyncio.timeout(DEADLINE_S):
        headers = {"Authorization": f"Bearer {agent.key}"}
        while True:
            async with http.post(agent.url, json=HELLO, headers=headers) as answer:
                if answer.status == 404:
                    return


async def test_key_is_good_for_its_room_and_instance_only(host: Host) -> None:
    async with host.session() as agent:
        await agent.tell("belongs_to", room="r1")
        assert (await agent.ask(agent.question("hello", 1, room_id="r2")))[0] == 403
        assert (await agent.ask(HELLO))[0] == 403
        async with agent.asking(agent.question("hello", 1)) as answer:
            assert answer.status == 200
            await answer.read()
        await agent.tell("belongs_to", instance="i1")
        for wrong in ({"agent_instance_id": "i2"}, {"agent_instance_id": None}, {"room_id": ""}):
            status, answer_ = await agent.ask(agent.question("hello", 2, **wrong))
            assert (status, answer_["error"]["code"]) == (403, "wrong_instance")
        async with agent.asking(agent.question("hello", 2)) as answer:
            assert answer.status == 200
            await answer.read()


MALFORMED = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[" * 60_000,
    b"null",
    b"[]",
    b'"text"',
    b"1e999",
    {},
    {"messages": None},
    {"messages": {}},
    {"messages": []},
    {"messages": ["hello"]},
    {"messages": [None]},
    {"messages": [{"role": "system", "content": "hello"}]},
    {"messages": [{"role": "user"}]},
    {"messages": [{"role": "user", "content": None}]},
    {"messages": [{"role": "user", "content": " "}]},
    {"messages": [{"role": "user", "content": 5}]},
    {"messages": [{"role": "user", "content": []}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}, None, "hello"]}]},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
    {"messages": [{"role": "user", "content": "\ud800"}]},
    {**HELLO, "stream": "yes"},
    {**HELLO, "stream": 1},
    {**HELLO, "agent_info": "r1"},
    {**HELLO, "agent_info": []},
    {**HELLO, "agent_info": {"room_id": 5}},
    {**HELLO, "agent_info": {"agent_instance_id": {}}},
    {**HELLO, "agent_info": {"round_id": True}},
    {**HELLO, "agent_info": {"round_id": 1.5}},
    {**HELLO, "agent_info": {"round_id": "first"}},
    {**HELLO, "agent_info": {"round_id": "9" * 5_000}},
    {**HELLO, "agent_info": {"round_id": [1]}},
]


async def test_what_is_malformed_is_refused_and_changes_nothing(host: Host) -> None:
    async with host.session() as agent:
        for body in MALFORMED:
            status, answer = await agent.ask(body)
            assert status == 400, body
            assert answer["error"]["type"] == "invalid_request_error"
            assert agent.key not in str(answer)
        large = HELLO | {"user": "x" * LARGEST_BODY}
        assert (await agent.ask(large))[0] == 413
        await agent.tell()
        assert agent.said == []
        nearly = HELLO | {"user": "x" * (LARGEST_BODY - 1_000)}
        assert (await agent.ask(nearly))[0] == 200


async def test_newer_round_ends_the_stream_and_older_ones_are_refused(
    way: str, tmp_path: Path
) -> None:
    replies = (Hold("Let me think"), Say("Here you are."))
    async with thinking(way, tmp_path, *replies) as (agent, model):
        async with agent.asking(agent.question("Think.", 7)) as first:
            assert b"Let" in await first.content.readuntil(b"\n\n")
            for round_id in (7, 6):
                status, answer = await agent.ask(agent.question("And?", round_id))
                assert (status, answer["error"]["code"]) == (409, "old_round")
            async with agent.asking(agent.question("Now.", 8)) as second:
                text = await second.text()
            assert "Here" in text
            assert (await first.text()).endswith("data: [DONE]\n\n")
        await model.until(lambda: any("left" in each for each in model.received))
        assert (await agent.ask(agent.question("And?", 7)))[0] == 409
        await agent.tell("cut", played_text="Let me", round_id=7)
        assert agent.said == [["user", "Think."], ["assistant", "Let me"], ["user", "Now."]]


async def test_who_hangs_up_stops_the_language_model(way: str, tmp_path: Path) -> None:
    async with thinking(way, tmp_path, Hold("Let me think"), Hold(), Say("Yes?")) as (agent, model):
        for words in (3, 0):  # in the middle of the answer, and before it has begun
            before = len(model.received)
            asking = asyncio.create_task(read_some(agent, words))
            await model.until(lambda: len(model.received) > before)  # noqa: B023
            if not words:
                asking.cancel()
            await asyncio.wait({asking})
            await model.until(lambda: "left" in model.received[-1])
        status, answer = await agent.ask({**agent.question("Well?", 9), "stream": False})
        assert (status, answer["choices"][0]["message"]["content"]) == (200, "Yes? ")


async def read_some(agent: Agent, words: int) -> None:
    async with agent.asking({**HELLO, "stream": True}) as answer:
        for _ in range(words):
            await answer.content.readuntil(b"\n\n")
        if not words:
            await asyncio.Event().wait()


async def test_tool_is_called_between_question_and_answer(way: str, tmp_path: Path) -> None:
    replies = (Call("time_in_city", {"city": "Tokyo"}), Say("It is late in Tokyo."))
    async with thinking(way, tmp_path, *replies) as (agent, model):
        async with agent.client() as client:
            asked: Any = {"model": "any", "messages": [{"role": "user", "content": "Tokyo?"}]}
            whole = await client.chat.completions.create(**asked)
        assert whole.choices[0].message.content == "It is late in Tokyo. "
        assert "Tokyo" in str([each for each in model.asked()[1] if each["role"] == "tool"])
        assert model.received[0]["model"] == "stand-in"


async def test_zegos_agent_says_our_words_and_we_remember_those_that_were_played(
    way: str, tmp_path: Path
) -> None:
    long = " ".join(f"word{number}" for number in range(40))
    async with thinking(way, tmp_path, Say(long), Say("I stop.")) as (agent, model):
        llm = {"Url": agent.url, "ApiKey": agent.key, "Model": agent.model, "AddAgentInfo": True}
        async with joined(more={"LLM": llm}, text_ms=5) as (emulator, _, instance):
            await agent.tell("belongs_to", room="room-1", instance=instance.id)
            instance.hears("tell me", 0.05)
            await emulator.until(lambda: instance.state.name == "SPEAKING")
            await emulator.hears(0.2)
            instance.hears("stop", 0.05)
            await emulator.until(lambda: told(emulator, "Interrupted"))
            cut = told(emulator, "Interrupted")[0][1]
            played = cut["PlayedText"].strip()
            await agent.tell("cut", played_text=played, round_id=cut["Round"])
            await emulator.until(lambda: ("LLMResult", "I stop.") in _answers(emulator))
            await agent.tell()
    assert long.startswith(played)
    assert 0 < len(played) < len(long)
    assert agent.said == [["user", "tell me"], ["assistant", played], ["user", "stop"]]
    assert [[each["role"], each["content"]] for each in model.asked()[1][-3:]] == agent.said


def _answers(emulator: Emulator) -> list[tuple[str, str]]:
    return [(kind, data["Text"].strip()) for kind, data in told(emulator, "LLMResult")]


@pytest.mark.parametrize("stream", [True, False])
async def test_failure_of_the_model_is_an_error_without_a_secret(
    stream: bool, tmp_path: Path
) -> None:
    async with thinking("alone", tmp_path, Refuse(503), Say("Back.")) as (agent, _):
        status, answer = await agent.ask({**HELLO, "stream": stream})
        assert (status, answer["error"]["type"]) == (502, "server_error")
        assert "SECRET-" not in str(answer)
        status, answer = await agent.ask(HELLO)
        assert answer["choices"][0]["message"]["content"] == "Back. "


async def test_other_faces_have_nothing_there(tmp_path: Path) -> None:
    asked = json.dumps(HELLO).encode()
    async with running_bot(tmp_path, str(ROOT / "bot.py"), GREETING="Hi.") as bot:
        place = Place(bot.origin, int(bot.origin.rpartition(":")[2]))
        session = "11111111-2222-3333-4444-555555555555"
        for path, status in (("/v1/chat/completions", 404), (f"/sessions/{session}/v1", 404)):
            assert (await asyncio.to_thread(place.ask, "POST", path, asked))[0] == status
        path = f"/sessions/{session}/v1/chat/completions"
        for shown in ({}, {"Authorization": "Bearer key"}):
            headers = {"Origin": "", **shown}
            status, _, answer = await asyncio.to_thread(place.ask, "POST", path, asked, **headers)
            assert (status, json.loads(answer)["error"]["code"]) == (404, "not_found")
        headers = {"Origin": "https://elsewhere.example"}
        assert (await asyncio.to_thread(place.ask, "POST", path, asked, **headers))[0] == 403


async def test_first_words_come_at_once(host: Host) -> None:
    took_ms = []
    async with host.session() as agent:
        for number in range(50):
            began = time.perf_counter()
            async with agent.asking(agent.question("What time is it?", number)) as answer:
                await answer.content.readuntil(b"\n\n")
                took_ms.append(1000 * (time.perf_counter() - began))
                await answer.read()
    assert statistics.median(took_ms) < 100, took_ms
