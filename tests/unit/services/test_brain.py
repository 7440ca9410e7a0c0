"""What a brain says and remembers, whatever the vendor tells of its answers, and when."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from pipecat.adapters.llm.schemas.direct_function import tool_options
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputTransportStartAudioStreamingFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputTransportMessageUrgentFrame,
    TTSSpeakFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallFromLLM, FunctionCallParams

from processors.trouble import Part, TroubleProcessor
from services.brain import KEPT, SILENCE_S, Brain
from services.llm import RulesLLMService
from tests.unit.services.running import running

pytestmark = pytest.mark.asyncio

WORD_S = 0.1
NEVER_S = 10 * SILENCE_S


class Model(RulesLLMService):
    """A language model with a script: texts to say, a word at a time, and names of tools to call.

    What begins with "!" is a failure of it.
    """

    def __init__(self, *script: str | list[str]) -> None:
        super().__init__()
        self.asked: list[list[Any]] = []
        self.interrupted = 0
        self._script = deque(script)
        self._calls = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if not isinstance(frame, LLMContextFrame):
            await super().process_frame(frame, direction)
            return
        await super(RulesLLMService, self).process_frame(frame, direction)
        self.asked.append([dict(each) for each in frame.context.get_messages()])
        await self.push_frame(LLMFullResponseStartFrame())
        try:
            await self._follow(self._script.popleft(), frame.context)
        except asyncio.CancelledError:
            self.interrupted += 1
            raise
        finally:
            await self.push_frame(LLMFullResponseEndFrame())

    async def _follow(self, line: str | list[str], context: LLMContext) -> None:
        if isinstance(line, str) and line.startswith("!"):
            await self.push_error(line)
        elif isinstance(line, str):
            for word in line.split():
                await asyncio.sleep(WORD_S)
                await self.push_frame(LLMTextFrame(word + " "))
        else:
            calls = []
            for name in line:
                self._calls += 1
                calls.append(FunctionCallFromLLM(name, f"call_{self._calls}", {}, context))
            await self.run_function_calls(calls)


async def slow(params: FunctionCallParams) -> None:
    """A tool that is stopped by a cut-in."""
    await asyncio.sleep(1.0)
    await params.result_callback({"found": "slow"})


async def quick(params: FunctionCallParams) -> None:
    """Another one."""
    await params.result_callback({"found": "quick"})


@tool_options(cancel_on_interruption=False)
async def lasting(params: FunctionCallParams) -> None:
    """A tool that goes on after a cut-in."""
    await asyncio.sleep(1.0)
    await params.result_callback({"found": "lasting"})


async def chatty(params: FunctionCallParams) -> None:
    """A tool that says something."""
    await params.llm.push_frame(TTSSpeakFrame("One moment. "))
    await params.result_callback({"found": "chatty"})


class Talk:
    """A conversation with a brain."""

    def __init__(self, *script: str | list[str]) -> None:
        self.model = Model(*script)
        self.context = LLMContext([], tools=[slow, quick, lasting, chatty])
        self.failures: list[ErrorFrame] = []
        self.brain = Brain(self.context, self.model, failed=self._failed)

    async def _failed(self, error: ErrorFrame) -> None:
        self.failures.append(error)

    async def ask(self, text: str, round_id: int | None = None) -> str:
        return "".join([piece async for piece in self.brain.answer(text, round_id=round_id)])

    async def begin(self, text: str, round_id: int | None = None) -> asyncio.Task[str]:
        """Ask, and return when the first word is there, or a tool at work."""
        listening = asyncio.create_task(self.ask(text, round_id))
        await asyncio.sleep(1.5 * WORD_S)
        assert not listening.done()
        return listening

    @property
    def said(self) -> list[str]:
        """What the context has, with who said it."""
        return [
            f"{each['role'][0]}: {each['content']}" if each.get("content") else "call"
            for each in self.context.get_messages()
        ]


@asynccontextmanager
async def talking(*script: str | list[str]) -> AsyncIterator[Talk]:
    talk = Talk(*script)
    async with asyncio.timeout(NEVER_S), talk.brain.awake():
        yield talk


async def test_answer_comes_as_the_model_says_it() -> None:
    async with talking("One two three.") as talk:
        loop = asyncio.get_running_loop()
        began = loop.time()
        at = [loop.time() - began async for _ in talk.brain.answer("Count.")]
        assert at == pytest.approx([WORD_S, 2 * WORD_S, 3 * WORD_S])


async def test_context_keeps_an_answer_that_was_heard() -> None:
    async with talking("Hello there.", "Fine.") as talk:
        assert await talk.ask("Hi.") == "Hello there. "
        assert talk.said == ["u: Hi."]
        await talk.brain.played("Hello there.")
        await talk.brain.played("Hello there.")
        assert talk.said == ["u: Hi.", "a: Hello there."]
        await talk.ask("How are you?")
        assert talk.model.asked[1] == [
            {"role": "user", "content": "Hi."},
            {"role": "assistant", "content": "Hello there."},
            {"role": "user", "content": "How are you?"},
        ]


@pytest.mark.parametrize("names", [(1, 2), (None, None)], ids=["named", "unnamed"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_cut_in_leaves_what_was_played_in_its_place(
    when: str, names: tuple[int | None, int | None]
) -> None:
    async with talking("One two three four.", "Yes.") as talk:
        await talk.ask("Count.", names[0])
        if when == "before":
            await talk.brain.cut("One, two", round_id=names[0])
        await talk.ask("Stop.", names[1])
        await talk.brain.cut("One, two", round_id=names[0])
        await talk.brain.cut("One, two", round_id=names[0])
        assert talk.said == ["u: Count.", "a: One two", "u: Stop."]
        await talk.brain.played("Yes.", round_id=names[1])
        assert talk.said == ["u: Count.", "a: One two", "u: Stop.", "a: Yes."]


SAID = "\u201cOne\u201d, two \u2014 three; don\u2019t stop!"
COVERED = [
    ("", ""),
    (" .", ""),
    ("one", "\u201cOne\u201d,"),
    ("One two", "\u201cOne\u201d, two"),
    ("'One', two, thr", "\u201cOne\u201d, two \u2014"),
    ("One two three don't", "\u201cOne\u201d, two \u2014 three; don\u2019t"),
    ("One two, three. Don't stop. And pay me.", SAID),
    ("One two seven three", "\u201cOne\u201d, two \u2014"),
    ("I owe you money.", ""),
    ("two three", ""),
]


@pytest.mark.parametrize(("played", "kept"), COVERED)
async def test_cut_keeps_the_words_that_were_said_and_heard_and_no_others(
    played: str, kept: str
) -> None:
    async with talking(SAID) as talk:
        await talk.ask("Count.", 1)
        await talk.brain.cut(played, round_id=1)
        assert talk.said == ["u: Count.", *([f"a: {kept}"] if kept else [])]


async def test_cut_in_a_script_without_spaces_keeps_the_letters_that_were_heard() -> None:
    async with talking("\u4e00\u4e8c\u4e09\uff0c\u56db\u3002") as talk:
        await talk.ask("Count.", 1)
        await talk.brain.cut("\u4e00 \u4e8c\u4e09", round_id=1)
        assert talk.said == ["u: Count.", "a: \u4e00\u4e8c\u4e09"]


@pytest.mark.parametrize("first", ["cut", "played"])
async def test_cut_says_more_than_played_whichever_comes_first(first: str) -> None:
    async with talking("One two three.") as talk:
        await talk.ask("Count.", 7)
        if first == "played":
            await talk.brain.played("One two three.", round_id=7)
        await talk.brain.cut("One", round_id=7)
        await talk.brain.played("One two three.", round_id=7)
        assert talk.said == ["u: Count.", "a: One"]


async def test_greeting_that_is_cut_before_a_word_was_not_said_although_it_is_told_as_played() -> (
    None
):
    async with talking("Fine.") as talk:
        await talk.brain.cut("", round_id=3)
        await talk.brain.played("Good morning.", round_id=3)
        await talk.ask("How are you?", 7)
        await talk.brain.played("Fine.", round_id=7)
        assert talk.said == ["u: How are you?", "a: Fine."]


async def test_round_that_was_never_heard_leaves_no_words() -> None:
    async with talking("One two three.", "Four five six.", "Seven.") as talk:
        await talk.ask("Count.")
        await talk.brain.cut("")
        listening = await talk.begin("Go on.")
        assert await talk.ask("Stop.") == "Seven. "
        assert await listening == "Four "
        assert talk.said == ["u: Count.", "u: Go on.", "u: Stop."]


async def test_whole_answer_of_which_nothing_is_told_counts_as_heard_until_it_is() -> None:
    async with talking("One two three.", "Yes.") as talk:
        await talk.ask("Count.", 1)
        await talk.ask("Again.", 2)
        assert talk.said == ["u: Count.", "a: One two three.", "u: Again."]
        await talk.brain.cut("", round_id=1)
        assert talk.said == ["u: Count.", "u: Again."]


async def test_what_was_said_and_not_asked_stands_where_it_was_said() -> None:
    async with talking("One two three.", "Anna.") as talk:
        await talk.ask("Count.", 1)
        talk.brain.remember("I am Anna.")
        await talk.ask("Who am I?", 2)
        await talk.brain.cut("One", round_id=1)
        assert talk.said == ["u: Count.", "a: One", "u: I am Anna.", "u: Who am I?"]


async def test_what_may_not_have_been_said_tells_of_answers_and_adds_no_words() -> None:
    async with talking("One two three.", "Yes.") as talk:
        await talk.ask("Count.", 1)
        await talk.brain.played("I owe you money.", round_id=1, certain=False)
        assert talk.said == ["u: Count.", "a: One two three."]
        await talk.ask("Again.")
        for round_id in (7, None):
            await talk.brain.played("I owe you money.", round_id=round_id, certain=False)
        await talk.brain.played("Yes.", certain=False)
        assert talk.said == ["u: Count.", "a: One two three.", "u: Again.", "a: Yes."]


async def test_new_answer_interrupts_the_one_before() -> None:
    async with talking("One two three four five.", "Yes?") as talk:
        listening = await talk.begin("Count.")
        assert await talk.ask("Wait.") == "Yes? "
        assert await listening == "One "
        assert talk.model.interrupted == 1


async def test_who_stops_listening_interrupts_the_model() -> None:
    async with talking("One two three four five.", "Yes?") as talk:
        listening = await talk.begin("Count.")
        listening.cancel()
        await asyncio.wait({listening})
        await asyncio.sleep(WORD_S / 2)
        assert talk.model.interrupted == 1
        async with aclosing(talk.brain.answer("Now?")) as answer:
            assert await anext(answer) == "Yes? "
        await talk.brain.cut("One", round_id=None)
        assert talk.said == ["u: Count.", "a: One", "u: Now?"]


async def test_cut_of_an_answer_that_is_being_given_interrupts_the_model() -> None:
    async with talking("One two three four five.") as talk:
        listening = await talk.begin("Count.", 3)
        await talk.brain.cut("One", round_id=3)
        assert await listening == "One "
        await asyncio.sleep(WORD_S)
        assert talk.model.interrupted == 1
        assert talk.said == ["u: Count.", "a: One"]


async def test_what_is_said_besides_stands_where_it_was_said() -> None:
    async with talking("Fine.") as talk:
        await talk.brain.played("Hello, I am a bot.", round_id=1)
        await talk.brain.played("Hello, I am a bot.", round_id=1)
        await talk.ask("How are you?", 2)
        await talk.brain.cut("Hello,", round_id=1)
        await talk.brain.cut("", round_id=9)
        assert talk.said == ["a: Hello,", "u: How are you?"]


async def test_what_is_said_besides_does_not_hide_the_answer_before() -> None:
    async with talking("One two three.", "Four five six.", "Yes.") as talk:
        await talk.ask("Count.")
        await talk.brain.played("Are you there?")
        listening = await talk.begin("Yes.")
        await talk.brain.played("Still there?")
        await talk.ask("Well?")
        assert await listening == "Four "
        assert talk.said == [
            "u: Count.",
            "a: One two three.",
            "a: Are you there?",
            "u: Yes.",
            "a: Still there?",
            "u: Well?",
        ]


async def test_round_that_is_asked_again_takes_the_place_of_its_first_try() -> None:
    async with talking("Hello.", ["quick"], "One two three four.", "Yes.") as talk:
        await talk.ask("Hi.", 1)
        await talk.brain.played("Hello.", round_id=1)
        listening = await talk.begin("I would", 2)
        assert await talk.ask("I would like tea.", 2) == "Yes. "
        await listening
        await talk.brain.played("Yes.", round_id=2)
        assert talk.said == ["u: Hi.", "a: Hello.", "u: I would like tea.", "a: Yes."]


async def test_round_of_long_ago_is_not_told_of_as_if_it_were_new() -> None:
    async with talking(*(["Yes."] * (KEPT + 1))) as talk:
        for number in range(KEPT + 1):
            await talk.ask("Well?", number)
            await talk.brain.played("Yes.", round_id=number)
        said = talk.said
        await talk.brain.played("Yes.", round_id=0)
        assert talk.said == said
        await talk.brain.cut("Yes.", round_id=0)
        assert talk.said == said
        await talk.brain.played("Still there?", round_id=KEPT + 1)
        assert talk.said == [*said, "a: Still there?"]


@pytest.mark.parametrize("tools", [["slow"], ["lasting"], ["slow", "lasting"], ["chatty"]])
async def test_tools_are_called_and_the_answer_knows_their_results(tools: list[str]) -> None:
    async with talking(tools, "Here you are.") as talk:
        said = await talk.ask("Look it up.")
        assert said == ("One moment. " if tools == ["chatty"] else "") + "Here you are. "
        results = [each["content"] for each in talk.model.asked[1] if each["role"] == "tool"]
        assert results == [f'{{"found": "{tool}"}}' for tool in tools]
        await talk.brain.played(said)
        assert talk.said[-1] == f"a: {said.strip()}"
        assert talk.model.asked[2:] == []


async def test_cut_in_cancels_a_tool_and_the_next_answer_is_another() -> None:
    async with talking(["slow"], "You are welcome.") as talk:
        listening = await talk.begin("Look.")
        assert await talk.ask("Never mind, thanks.") == "You are welcome. "
        assert await listening == ""
        assert "CANCELLED" in str(talk.model.asked[1])
        await asyncio.sleep(2.0)
        assert len(talk.model.asked) == 2


async def test_result_that_outlives_its_answer_waits_for_the_next_one() -> None:
    async with talking(["lasting"], "Welcome.", "It was found.") as talk:
        listening = await talk.begin("Look.")
        assert await talk.ask("Thanks.") == "Welcome. "
        assert await listening == ""
        await asyncio.sleep(2.0)
        assert len(talk.model.asked) == 2, "it spoke although nobody asked"
        assert await talk.ask("And?") == "It was found. "
        assert "lasting" in str(talk.model.asked[2])


async def test_result_of_before_does_not_lengthen_the_answer_that_runs() -> None:
    long = " ".join(["word"] * 30)
    async with talking(["lasting"], long, "And?") as talk:
        await talk.begin("Look.")
        assert (await talk.ask("Talk.")).split() == long.split()
        assert len(talk.model.asked) == 2


async def test_model_that_fails_gives_no_answer_and_is_told_of() -> None:
    async with talking("!It is ill.", "Here again.") as talk:
        assert await talk.ask("Hello?") == ""
        assert await talk.ask("Hello?") == "Here again. "
        assert [each.error for each in talk.failures] == ["!It is ill."]


async def test_failure_is_told_by_the_pipeline_that_knows_the_page() -> None:
    model = Model("!It is ill.")
    trouble = TroubleProcessor({model: Part("The brain")})
    async with running(trouble) as bot:
        await bot.send(InputTransportStartAudioStreamingFrame())
        brain = Brain(LLMContext([]), model, failed=bot.send_upstream)
        async with brain.awake():
            assert [piece async for piece in brain.answer("Hello?")] == []
            notice = await bot.sink.next(OutputTransportMessageUrgentFrame)
            assert "The brain gave no answer." in str(notice)
            assert await bot.sink.next(TTSSpeakFrame)  # and it is said


async def test_silence_has_an_end() -> None:
    async with talking(["slow"]) as talk:
        talk.context.set_tools([forever])
        talk.model._script = deque([["forever"], "Yes."])
        assert await talk.ask("Hello?") == ""
        assert await talk.ask("Hello?") == "Yes. "


@tool_options(timeout_secs=NEVER_S)
async def forever(params: FunctionCallParams) -> None:
    """A tool without an end."""
    await asyncio.sleep(NEVER_S)


async def test_end_of_the_conversation_ends_the_answer() -> None:
    async with talking("One two three four five.") as talk:
        listening = await talk.begin("Count.")
    assert await listening == "One "
    assert await talk.ask("Hello?") == ""


async def test_pipeline_that_ends_by_itself_ends_the_answer() -> None:
    async with talking("One two three four five.") as talk:
        listening = await talk.begin("Count.")
        await talk.model.push_frame(EndFrame())
        await listening


async def test_rules_answer_and_remember() -> None:
    context = LLMContext([])
    brain = Brain(context, RulesLLMService())
    async with brain.awake():
        first = [piece async for piece in brain.answer("My name is Maria.")]
        assert "".join(first) == "Nice to meet you, Maria."
        assert len(first) > 1
        await brain.played("".join(first))
        again = [piece async for piece in brain.answer("What is my name?")]
        assert "".join(again) == "Your name is Maria."


@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
@pytest.mark.parametrize("seed", range(30))
async def test_context_is_what_was_heard_however_late_and_often_it_is_told(
    seed: int, named: bool
) -> None:
    chance = random.Random(seed)
    rounds = range(1, 7)
    answers = {each: " ".join(f"w{each}x{i}" for i in range(1, 6)) for each in rounds}
    heard = {each: chance.randint(1 - named, 5) for each in rounds}  # words
    async with talking(*answers.values()) as talk:
        late: list[int] = []
        for each in rounds:
            listening = asyncio.create_task(talk.ask(f"q{each}", each if named else None))
            # The vendor may hang up as soon as it has what will be heard of it.
            await asyncio.sleep(WORD_S * (chance.uniform(heard[each] + 0.5, 7)))
            if not listening.done():
                listening.cancel()
            await asyncio.wait({listening})
            late += [each] * chance.randint(1, 3)
            if chance.random() < 0.5:
                chance.shuffle(late)
                told, late = late[:2], late[2:]
            else:
                told = []
            for one in [*told, *(late if each == rounds[-1] else [])]:
                words = " ".join(answers[one].split()[: heard[one]])
                tell = talk.brain.played if heard[one] == 5 else talk.brain.cut
                await tell(words, round_id=one if named else None)
        expected = []
        for each in rounds:
            expected.append(f"u: q{each}")
            if heard[each]:
                expected.append("a: " + " ".join(answers[each].split()[: heard[each]]))
        assert talk.said == expected
