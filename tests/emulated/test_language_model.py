"""A language model with a key: the real bot, a stand-in for OpenAI, somebody at the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.emulated.standins.openai import Call, Garbage, OpenAI, Reply, Say
from tests.emulated.standins.serving import KEY, Refuse
from tests.emulated.visitor import Visitor, secretive

pytestmark = pytest.mark.asyncio

QUICK = {"GREETING": "Hi.", "TTS": "local"}


@asynccontextmanager
async def talking(folder: Path, model: OpenAI, **settings: str) -> AsyncIterator[Visitor]:
    async with model.running() as url:
        account = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url, "OPENAI_MODEL": "stand-in"}
        given = QUICK | account | settings
        async with secretive(folder, **given) as visitor:
            await visitor.answer()
            yield visitor


async def test_answer_comes_from_the_model_that_was_chosen(tmp_path: Path) -> None:
    model = OpenAI(Say("Paris is the capital of France."))
    async with talking(tmp_path, model, SYSTEM_PROMPT="Be brief.") as visitor:
        session = await visitor.kind("session")
        assert (session["stt"], session["llm"], session["tts"]) == ("local", "openai", "local")
        answer = await visitor.ask("What is the capital of France?")
        assert answer == "Paris is the capital of France."
    (request,) = model.received
    assert request["model"] == "stand-in"
    system, greeting, question = request["messages"]
    assert system["role"] == "system"
    assert system["content"].startswith("Be brief.")
    assert greeting == {"role": "assistant", "content": "Hi."}
    assert question == {"role": "user", "content": "What is the capital of France?"}


async def test_server_on_this_machine_needs_no_key(tmp_path: Path) -> None:
    model = OpenAI(Say("I run at home."), key=None)
    async with talking(tmp_path, model, OPENAI_API_KEY="") as visitor:
        assert await visitor.ask("Where do you run?") == "I run at home."


async def test_refused_key_is_named_and_ends_the_session(tmp_path: Path) -> None:
    model = OpenAI(Say("Never."))
    async with talking(tmp_path, model, OPENAI_API_KEY="SECRET-another-key-9876543210") as visitor:
        await visitor.type("Hello?")
        await visitor.until_over()
        assert visitor.notices() == [
            "The language model does not accept the key. Check OPENAI_API_KEY."
            " The conversation ends here."
        ]


PASSING = [
    (
        Refuse(429, {"Retry-After": "20"}, "rate_limit_exceeded"),
        "The language model takes no more requests now. Wait a minute, then try again.",
    ),
    (
        Refuse(429, code="insufficient_quota"),
        "The language model says that the account has no credit left.",
    ),
    (Refuse(503), "The language model has a problem of its own. Please try again."),
    (Garbage(), "The language model gave no answer. Please try again."),
    (
        Say("One two", drops=True),
        "The language model cannot be reached at the moment. Please try again.",
    ),
]


@pytest.mark.parametrize(
    ("fault", "sentence"), PASSING, ids=["429", "quota", "503", "garbage", "dropped"]
)
async def test_fault_of_the_model_is_told_and_the_next_turn_works(
    tmp_path: Path, fault: Reply, sentence: str
) -> None:
    model = OpenAI(fault, Say("Here I am again."))
    async with talking(tmp_path, model) as visitor:
        before = len(visitor.messages)
        began = asyncio.get_running_loop().time()
        await visitor.type("Are you there?")
        assert (await visitor.kind("notice", before))["text"] == sentence
        assert asyncio.get_running_loop().time() - began < 10, "it waited for Retry-After"
        # The voice says it, too, and so the page stops to say "thinking".
        await visitor.kind("bot-stopped-speaking", before)
        assert "Here I am again." in await visitor.ask("And now?")
    said = [each["content"] for each in model.asked()[-1] if each["role"] == "assistant"]
    assert not [each for each in said if "language model" in str(each)]


async def test_slow_model_is_waited_for_while_the_page_says_thinking(tmp_path: Path) -> None:
    model = OpenAI(Say("That took a while.", after_s=4.0))
    async with talking(tmp_path, model) as visitor:
        before = len(visitor.messages)
        assert await visitor.ask("Think hard.") == "That took a while."
        kinds = [each["type"] for each in visitor.messages[before:]]
        assert kinds.index("bot-llm-started") < kinds.index("bot-started-speaking")
        assert visitor.notices() == []


async def test_tool_is_called_and_its_result_is_told(tmp_path: Path) -> None:
    model = OpenAI(Call("time_in_city", {"city": "Tokyo"}), Say("It is late in Tokyo."))
    async with talking(tmp_path, model) as visitor:
        assert await visitor.ask("What time is it in Tokyo?") == "It is late in Tokyo."
    first, second = model.received
    (tool,) = first["tools"]
    assert tool["function"]["name"] == "time_in_city"
    assert tool["function"]["parameters"]["required"] == ["city"]
    (result,) = [each for each in second["messages"] if each["role"] == "tool"]
    assert '"city": "Tokyo"' in result["content"]
