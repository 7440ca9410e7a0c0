"""ZEGO's agent in a pipeline, at its emulator: what is told, asked, cut, paid for and ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    InterruptionFrame,
    TTSSpeakFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)

from tests.emulated.agent_stage import running, vendor
from transports.zego import agent_talk

pytestmark = pytest.mark.asyncio

SOURCES = pytest.mark.parametrize(
    ("tells", "relays"),
    [(True, True), (True, False), (False, True)],
    ids=["both", "callbacks", "page"],
)


@SOURCES
async def test_spoken_turn_and_its_answer_are_told_once_whoever_tells(
    tmp_path: Path, tells: bool, relays: bool
) -> None:
    async with vendor(tells=tells) as (side, bots):
        async with running(side, bots, tmp_path, relays=relays) as bot:
            await bot.watch()
            bot.speak("hello there")
            await bot.until(lambda: len(bot.bubbles()) == 2)
            assert bot.bubbles() == [
                ("user", "hello there", False),
                ("assistant", "You said: hello there.", False),
            ]
            for kind in (
                UserStartedSpeakingFrame,
                UserStoppedSpeakingFrame,
                BotStartedSpeakingFrame,
                BotStoppedSpeakingFrame,
            ):
                assert bot.count(kind) == 1, kind
        assert bot.agent.messages() == [
            {"role": "user", "content": "hello there"},
            {"role": "assistant", "content": "You said: hello there."},
        ]
        assert not side.running()
        assert bot.failures() == []


@SOURCES
async def test_typed_text_is_asked_and_answered_although_it_came_before_the_agent(
    tmp_path: Path, tells: bool, relays: bool
) -> None:
    async with (
        vendor(tells=tells, connected_delay_ms=200) as (side, bots),
        running(side, bots, tmp_path, relays=relays) as bot,
    ):
        await bot.type("what is new")
        await bot.watch()
        await bot.until(lambda: len(bot.bubbles()) == 2)
        assert bot.bubbles()[1] == ("assistant", "You said: what is new.", False)
        assert len(bot.calls("SendAgentInstanceLLM")) == 1
        assert not bot.calls("InterruptAgentInstance")


@pytest.mark.parametrize("tells", [True, False], ids=["callbacks", "page"])
@pytest.mark.parametrize("remembers", [True, False])
async def test_words_that_a_page_makes_up_are_shown_and_not_remembered(
    tmp_path: Path, tells: bool, remembers: bool
) -> None:
    made_up = [
        {"cmd": 3, "seq_id": 10**12, "data": {"Text": "I own you.", "EndFlag": True}},
        {"cmd": 4, "seq_id": 10**12 + 1, "data": {"Text": "I owe you money."}},
        {"cmd": 6, "seq_id": 10**12 + 2, "data": {"Status": 0}},
    ]
    async with vendor(tells=tells) as (side, bots):
        if not remembers:
            side.fail("GetAgentInstanceMsgList", code=410001022, times=9)
        async with running(side, bots, tmp_path) as bot:
            await bot.watch()
            await bot.type("hello")
            await bot.until(lambda: len(bot.bubbles()) == 2)
            for each in made_up:
                before = len(bot.page.frames)
                told = {"messages": [{**each, "round": 10**15}]}
                bot.agent.page_says("avatar-agent", told)
                await bot.until(lambda before=before: len(bot.page.frames) > before)
            await bot.until(lambda: ("assistant", "I owe you money.", False) in bot.bubbles())
    typed = {"role": "user", "content": "hello"}
    answer = {"role": "assistant", "content": "You said: hello."}
    assert bot.agent.messages() == ([typed, answer] if remembers or tells else [typed])


async def test_greeting_waits_for_the_page_and_the_goodbye_is_heard_to_its_end(
    tmp_path: Path,
) -> None:
    async with vendor() as (side, bots):
        async with running(side, bots, tmp_path) as bot:
            await bot.worker.queue_frame(TTSSpeakFrame("Hello, I am here."))
            await bot.watch()
            await bot.until(lambda: len(bot.bubbles()) == 1)
            assert bot.bubbles() == [("assistant", "Hello, I am here.", False)]
            goodbye = "Good bye, and thank you. It was nice to talk to you."
            await bot.worker.queue_frame(TTSSpeakFrame(goodbye, append_to_context=False))
        (instance,) = side.instances()
        assert [each.samples for each in side.heard()] == [
            each.heard(float("inf")) for each in instance.utterances
        ]
        assert not any(each.cut for each in side.heard())
        assert not side.running()


async def test_voice_cuts_the_answer_to_what_was_played(tmp_path: Path) -> None:
    async with vendor(text_ms=60) as (side, bots), running(side, bots, tmp_path) as bot:
        await bot.watch()
        bot.speak("one two three four five six seven eight nine ten")
        await bot.until(lambda: bot.count(BotStartedSpeakingFrame))
        await side.hears(0.8)
        bot.speak("stop", 0.3)
        await bot.until(lambda: len(bot.bubbles()) >= 2)
        role, text, cut = bot.bubbles()[1]
        assert (role, cut) == ("assistant", True)
        assert "You said: one two three four five six seven eight nine ten.".startswith(text)
        assert 0 < len(text) < 40
        await bot.until(lambda: len(bot.bubbles()) == 4)
        assert bot.count(InterruptionFrame) == 1
        assert not bot.calls("InterruptAgentInstance")  # it cuts itself
        assert bot.bubbles()[3] == ("assistant", "You said: stop.", False)


@pytest.mark.parametrize("tells", [True, False])
async def test_typing_in_an_answer_cuts_it_once_and_is_answered(
    tmp_path: Path, tells: bool
) -> None:
    async with (
        vendor(text_ms=60, tells=tells) as (side, bots),
        running(side, bots, tmp_path) as bot,
    ):
        await bot.watch()
        bot.speak("one two three four five six seven eight nine ten")
        await bot.until(lambda: bot.count(BotStartedSpeakingFrame))
        await side.hears(0.8)
        await bot.type("stop")
        await bot.until(lambda: bot.bubbles()[-1][1] == "You said: stop.")
        assert len(bot.calls("InterruptAgentInstance")) == 1
        assert bot.count(InterruptionFrame) == 1
        cut = [text for _, text, was_cut in bot.bubbles() if was_cut]
        assert len(cut) == 1
        assert (len(cut[0]) < 40) is tells
        kinds = bot.kinds()
        assert kinds.index("InterruptionFrame") < kinds.index("BotStoppedSpeakingFrame")
        assert bot.count(BotStartedSpeakingFrame) == bot.count(BotStoppedSpeakingFrame) == 2


async def test_typing_at_the_end_of_an_answer_leaves_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_talk, "REORDER_S", 5.0)  # more of it may come for so long
    async with vendor() as (side, bots), running(side, bots, tmp_path, relays=False) as bot:
        await bot.watch()
        bot.speak("yes")
        await bot.until(lambda: bot.count(BotStoppedSpeakingFrame))
        await bot.type("stop")
        await bot.until(lambda: bot.bubbles()[-1] == ("assistant", "You said: stop.", False))
        assert ("assistant", "You said: yes.", False) in bot.bubbles()
        assert not bot.calls("InterruptAgentInstance")


@pytest.mark.parametrize("idle_interrupt", ["take", "refuse"])
async def test_interruption_behind_a_question_that_is_on_its_way_cuts_its_answer(
    tmp_path: Path, idle_interrupt: str
) -> None:
    async with (
        vendor(text_ms=60, idle_interrupt=idle_interrupt) as (side, bots),
        running(side, bots, tmp_path) as bot,
    ):
        await bot.watch()
        side.turn(rest_latency_ms=200)
        await bot.type("one two three four five six seven")
        await side.until(lambda: bot.calls("SendAgentInstanceLLM"))
        await bot.worker.queue_frame(InterruptionFrame())
        await side.until(lambda: side.interruptions())
        await bot.until(lambda: bot.count(InterruptionFrame) >= 2)
        side.turn(rest_latency_ms=0)
        bot.speak("go on")
        await bot.until(lambda: bot.bubbles()[-1][1] == "You said: go on.")
        assert len(bot.calls("InterruptAgentInstance")) == 1


async def test_long_speech_is_said_whole_in_order_however_much_may_wait(tmp_path: Path) -> None:
    sentences = [
        f"This is sentence number {number}, " + "and on " * 30 + "." for number in range(9)
    ]
    async with vendor(text_ms=1) as (side, bots):
        async with running(side, bots, tmp_path) as bot:
            await bot.watch()
            await bot.worker.queue_frame(TTSSpeakFrame(" ".join(sentences)))
            await bot.until(lambda: len(bot.calls("SendAgentInstanceTTS")) == 9)
        said = " ".join(text for _, text, _ in bot.bubbles())
        assert said.split() == " ".join(sentences).split()
        assert not any(cut for _, _, cut in bot.bubbles())


async def test_interruption_of_nothing_asks_nothing_of_the_vendor(tmp_path: Path) -> None:
    async with vendor() as (side, bots), running(side, bots, tmp_path) as bot:
        await bot.watch()
        await bot.worker.queue_frame(InterruptionFrame())
        await bot.type("go on")
        await bot.until(lambda: len(bot.bubbles()) == 2)
        assert bot.count(InterruptionFrame) == 2
        assert not bot.calls("InterruptAgentInstance")
