"""What an agent of ZEGO's costs: registered once, opened within limits, ended on every way out."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    LLMFullResponseEndFrame,
    TTSSpeakFrame,
    TTSTextFrame,
)

from emulators.zego import Emulator
from emulators.zego.token04 import BadToken, Token04
from tests.emulated.agent_stage import BLOCKS, agent, running, vendor
from transports.avatar import (
    Dismissed,
    EndedByVendor,
    NeverNamed,
    NoCapacity,
    NoSlotLeft,
    PartFailed,
    TooManySessions,
    TrialOver,
    VendorUnreachable,
)
from transports.avatar.frames import ConfidentialMessageFrame
from transports.avatar.journal import Journal
from transports.zego import Blocks, agent_session
from transports.zego import agent as module
from transports.zego.agents import Message

pytestmark = pytest.mark.asyncio

DEADLINE_S = 8.0
CREATE = "CreateDigitalHumanAgentInstance"


def calls(side: Emulator, *names: str) -> list[str]:
    """The actions that were asked for, in order; all of them where none is named."""
    return [each.name for each in side.record.calls if not names or each.name in names]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACK_OFF_S", (0.05, 0.1, 0.1))


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Any:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="INFO")
    yield lines
    logger.remove(sink)


def entries(folder: Path) -> list[str | None]:
    if not (folder / "journal.sqlite").exists():
        return []
    with sqlite3.connect(folder / "journal.sqlite") as rows:
        tables = "SELECT name FROM sqlite_master WHERE name = 'entry'"
        if not rows.execute(tables).fetchone():
            return []
        return [session for (session,) in rows.execute("SELECT session FROM entry")]


def bury(folder: Path) -> None:
    """As if the processes that have opened what is open were dead."""
    with sqlite3.connect(folder / "journal.sqlite") as rows:
        rows.execute("UPDATE entry SET pid = 2147483646, started = '1'")


# Agents


async def test_agent_is_registered_once_and_changed_only_where_it_differs(tmp_path: Path) -> None:
    async with vendor() as (side, _):
        for blocks in (BLOCKS, BLOCKS, Blocks(llm={**(BLOCKS.llm or {}), "Model": "n"})):
            one = agent(side, tmp_path, blocks=blocks, system_prompt="Be brief.")
            await one.close(await one.open())
        names = ("RegisterAgent", "QueryAgents", "UpdateAgent")
        assert calls(side, *names) == [
            "RegisterAgent",
            *("RegisterAgent", "QueryAgents"),
            *("RegisterAgent", "QueryAgents", "UpdateAgent"),
        ]
        assert side.agents["avatarbot"].blocks["LLM"]["Model"] == "n"
        assert side.agents["avatarbot"].blocks["TTS"] == BLOCKS.tts
        assert not side.running()


class Brain:
    url, key, model = "http://127.0.0.1:9/brain", "SECRET-fresh", "brain"

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.rounds: list[int | None] = []
        self.told = asyncio.Event()
        self.bound: dict[str, str | None] = {}

    def renew(self) -> None:
        self.bound = {}

    def belongs_to(self, *, room: str | None = None, instance: str | None = None) -> None:
        given = {"room": room, "instance": instance}
        self.bound |= {name: value for name, value in given.items() if value}

    def remember(self, text: str) -> None:
        self.said.append(("remember", text))

    async def cut(self, played_text: str, *, round_id: int | None = None) -> None:
        self.said.append(("cut", played_text))
        self.rounds.append(round_id)

    async def played(self, text: str, *, round_id: int | None = None, certain: bool = True) -> None:
        self.said.append(("played" if certain else "may be", text))
        self.told.set()
        self.rounds.append(round_id)


async def test_key_of_a_brain_is_in_its_instance_and_not_in_the_agent(tmp_path: Path) -> None:
    async with vendor() as (side, _):
        brain = Brain()
        one = agent(side, tmp_path, blocks=Blocks(tts=BLOCKS.tts), brain=brain)
        opened = await one.open()
        assert "LLM" not in side.agents["avatarbot"].blocks
        (instance,) = side.instances()
        assert instance.terms.blocks["LLM"]["ApiKey"] == "SECRET-fresh"
        assert instance.terms.idle_s == 60
        assert instance.terms.window == 1  # the rest would not be read
        assert brain.bound == {"room": opened.id, "instance": instance.id}
        await one.close(opened)
        assert brain.bound == {}


@pytest.mark.parametrize("end", ["we", "vendor"])
async def test_key_of_a_brain_ends_with_its_instance(tmp_path: Path, end: str) -> None:
    brain = Brain()
    async with vendor() as (side, bots), running(side, bots, tmp_path, brain=brain) as bot:
        await bot.watch()
        assert brain.bound
        if end == "we":
            await bot.agent.dismiss()
        else:
            bot.instance.delete(1203)
            await bot.until(bot.failures)
        assert brain.bound == {}


async def test_brain_is_told_what_was_heard_and_what_was_cut(tmp_path: Path) -> None:
    brain = Brain()
    async with (
        vendor(text_ms=60) as (side, bots),
        running(side, bots, tmp_path, brain=brain) as bot,
    ):
        await bot.watch()
        bot.speak("yes")
        await bot.until(lambda: brain.said == [("played", "You said: yes.")])
        bot.speak("one two three four five six seven")
        await side.hears(0.84 + 0.8)
        bot.speak("stop")
        await bot.until(lambda: len(brain.said) == 2)
        kind, text = brain.said[1]
        assert kind == "cut"
        assert "You said: one two three four five six seven.".startswith(text)
        first, second = brain.rounds
        assert first
        assert second
        assert first < second


async def test_brain_knows_what_was_typed_and_cut_before_it_was_asked(tmp_path: Path) -> None:
    brain = Brain()
    async with (
        vendor() as (side, bots),
        running(side, bots, tmp_path, brain=brain) as bot,
    ):
        for text in ("My name is Anna.", "What is my name?"):
            await bot.type(text)
            await bot.until(lambda text=text: ("user", text, False) in bot.bubbles())
        await bot.watch()
        await bot.until(lambda: len(bot.bubbles()) == 3)
        assert brain.said[0] == ("remember", "My name is Anna.")
        assert "AddAgentInstanceMsg" not in calls(side)


async def test_words_that_only_the_page_has_are_not_certain(tmp_path: Path) -> None:
    brain = Brain()
    hello = "Good morning."
    async with (
        vendor() as (side, bots),
        running(side, bots, tmp_path, relays=False, brain=brain) as bot,
    ):
        await bot.watch()
        await bot.worker.queue_frame(TTSSpeakFrame(hello))
        async with asyncio.timeout(DEADLINE_S):
            await brain.told.wait()
        brain.told.clear()
        made_up = {"cmd": 4, "seq_id": 10**12, "round": 10**15, "data": {"Text": "I owe money."}}
        bot.agent.page_says("avatar-agent", {"messages": [made_up]})
        await bot.until(lambda: bot.count(TTSTextFrame) == 2)
        made_up |= {"cmd": 6, "seq_id": 10**12 + 1, "data": {"Status": 0}}
        bot.agent.page_says("avatar-agent", {"messages": [made_up]})
        async with asyncio.timeout(DEADLINE_S):
            await brain.told.wait()
        assert brain.said == [("played", hello), ("may be", "I owe money.")]


async def test_what_was_said_before_is_known_and_history_can_be_asked_changed_and_forgotten(
    tmp_path: Path,
) -> None:
    before = [Message("user", "I am Anna"), Message("assistant", "Hello Anna.")]
    async with vendor() as (side, _):
        one = agent(side, tmp_path, said_before=before)
        opened = await one.open()
        instance = one.instance(opened)
        async with one.asking() as agents:
            assert await agents.history(instance) == before
            await agents.remember(instance, [Message("user", "and more")])
            assert (await agents.history(instance))[2:] == [Message("user", "and more")]
            await agents.forget(instance)
            assert await agents.history(instance) == []
            await agents.delete(instance, within_s=1)
        await one.close(opened)
        assert not side.running()


# Names, and what is lost


async def test_names_are_in_the_journal_before_the_vendor_is_asked_and_its_id_behind_them(
    tmp_path: Path,
) -> None:
    seen: list[str | None] = []
    async with vendor(rest_delay_ms=50) as (side, _):
        one = agent(side, tmp_path)
        opening = asyncio.create_task(one.open())
        await side.until(lambda: side.instances())
        seen += entries(tmp_path)
        opened = await opening
        (instance,) = side.instances()
        assert seen == [opened.id]
        assert entries(tmp_path) == [f"{opened.id}.{instance.id}"]
        terms = instance.terms
        assert {terms.room, terms.stream, terms.agent_user, terms.user, terms.user_stream} == {
            opened.id + end for end in ("", "-agent", "-a", "-u", "-page")
        }
        await one.close(opened)
        assert entries(tmp_path) == []


async def test_lost_reply_is_made_good_by_the_callback_that_has_the_id(tmp_path: Path) -> None:
    async with vendor() as (side, bots), running(side, bots, tmp_path) as bot:
        side.fail(CREATE, status=0, done=True, delay_s=0.1)
        bot.agent.page_says("avatar-watch", {})
        await bot.until(bot.failures)
        assert not side.running()
        assert entries(tmp_path) == []


async def test_slot_of_a_lost_reply_stays_taken_where_a_callback_has_made_an_id_up(
    tmp_path: Path,
) -> None:
    async with vendor(tells=False) as (side, _):
        first, second = (agent(side, tmp_path, max_sessions=1, tells=True) for _ in range(2))
        side.fail(CREATE, status=0, done=True, delay_s=0.2)
        opening = asyncio.create_task(first.open())
        await side.until(side.instances)
        await first.told_id(side.instances()[0].terms.room, "666")
        with pytest.raises(VendorUnreachable):
            await opening
        assert side.running()
        with pytest.raises(NoSlotLeft):
            await second.open()


async def test_agent_that_is_told_to_be_there_before_its_creation_is_answered_is_asked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_session, "CREATED_S", 100.0)
    async with (
        vendor(rest_latency_ms=400) as (side, bots),
        running(side, bots, tmp_path, relays=False) as bot,
    ):
        bot.agent.page_says("avatar-watch", {})
        await side.until(
            lambda: [each for each in side.record.sent if each.kind == "AgentInstanceCreated"]
        )
        assert bot.agent.room is None, "the call is still on its way back"
        await bot.type("hello")
        await side.until(lambda: "SendAgentInstanceLLM" in calls(side))


async def test_what_was_never_named_is_told_until_it_has_ended_by_itself(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with vendor(tells=False) as (side, _):
        side.fail(CREATE, status=0, done=True)
        one = agent(side, tmp_path)
        with pytest.raises(Exception, match="did not answer"):
            await one.open()
        assert [each.running for each in side.instances()] == [True]
        (name,) = entries(tmp_path)
        assert name
        with pytest.raises(NeverNamed):
            await one.stop(name)
        bury(tmp_path)
        (left,) = await agent(side, tmp_path).reap()
        assert 60 < left.until - time.time() < 120
        assert any("by what id" in line and "may run until" in line for line in told)
        bury(tmp_path)
        later = time.time() + 100
        monkeypatch.setattr(module.time, "time", lambda: later)
        assert await agent(side, tmp_path).reap() == []
        assert entries(tmp_path) == []


async def test_who_leaves_while_it_opens_leaves_nothing_running(tmp_path: Path) -> None:
    journal = Journal(
        tmp_path
    )  # one for all: what it still has to write, it writes before it reads
    async with vendor(rest_delay_ms=60) as (side, _):
        for wait_s in (0.0, 0.03, 0.08, 0.13, 0.2):
            one = agent(side, tmp_path, journal=journal)
            opening = asyncio.create_task(one.open())
            await asyncio.sleep(wait_s)
            opening.cancel()
            with suppress(asyncio.CancelledError):
                await one.close(await opening)  # it was faster
            assert not side.running(), wait_s
            assert await journal.entries() == [], wait_s


# Limits


@pytest.mark.parametrize("limit", [{"face_limit": 1}, {"instance_limit": 1}])
async def test_own_stale_instance_makes_room_and_nobody_elses_does(
    tmp_path: Path, limit: dict[str, int]
) -> None:
    async with vendor(**limit) as (side, _):
        stale = agent(side, tmp_path / "ours")
        await stale.open()
        others = agent(side, tmp_path / "others")
        with pytest.raises(TooManySessions):
            await others.open()
        assert len(side.running()) == 1
        bury(tmp_path / "ours")
        fresh = agent(side, tmp_path / "ours")
        opened = await fresh.open()
        assert [each.end_code for each in side.instances()] == [0, None]
        await fresh.close(opened)


async def test_instance_of_a_bot_that_lives_is_left_alone_and_tries_are_bounded(
    tmp_path: Path,
) -> None:
    async with vendor(face_limit=1) as (side, _):
        first = agent(side, tmp_path)
        opened = await first.open()
        with pytest.raises(TooManySessions):
            await agent(side, tmp_path).open()
        assert len(calls(side, CREATE)) == 1 + 1 + len(module.BACK_OFF_S)
        assert [each.running for each in side.instances()] == [True]
        await first.close(opened)


@pytest.mark.parametrize("voice_only", [False, True])
async def test_voice_without_a_face_does_only_where_it_is_set_and_the_person_is_told(
    tmp_path: Path, voice_only: bool
) -> None:
    async with (
        vendor() as (side, bots),
        running(side, bots, tmp_path, voice_only=voice_only) as bot,
    ):
        side.fail(CREATE, code=410001025, times=9)
        if not voice_only:
            bot.agent.page_says("avatar-watch", {})
            await bot.until(bot.failures)
            assert isinstance(bot.failures()[0].exception, NoCapacity)
            return
        room = await bot.watch()
        assert room["face"] == "no"
        await bot.until(lambda: bot.messages("notice"))
        assert "only hear me" in bot.messages("notice")[0]["text"]
        assert bot.instance.terms.kind == "voice"


@pytest.mark.parametrize("lost", [False, True])
async def test_slot_is_taken_until_it_is_known_to_be_free(tmp_path: Path, lost: bool) -> None:
    async with vendor(tells=False) as (side, _):
        first, second = (agent(side, tmp_path, max_sessions=1) for _ in range(2))
        if lost:
            side.fail(CREATE, status=0, done=True)
            with pytest.raises(VendorUnreachable):
                await first.open()
        else:
            opened = await first.open()
        with pytest.raises(NoSlotLeft):
            await second.open()
        assert len(side.instances()) == 1
        if not lost:
            await first.close(opened)
            await second.close(await second.open())
            assert entries(tmp_path) == []


async def test_trial_that_is_over_is_an_error_of_its_own(tmp_path: Path) -> None:
    async with vendor() as (side, _):
        side.fail(CREATE, code=410001033)
        with pytest.raises(TrialOver):
            await agent(side, tmp_path).open()
        assert entries(tmp_path) == []


# Ends, and trouble


async def test_instance_that_the_vendor_ends_ends_the_conversation(tmp_path: Path) -> None:
    async with vendor() as (side, bots), running(side, bots, tmp_path) as bot:
        await bot.watch()
        bot.instance.delete(1202)
        await bot.until(bot.failures)
        (failure,) = bot.failures()
        assert isinstance(failure.exception, EndedByVendor)
        assert not bot.agent.is_usable
        assert entries(tmp_path) == []


@pytest.mark.parametrize("end", ["we", "vendor"])
async def test_agent_that_is_ended_in_mid_speech_is_silent_and_ends_the_conversation(
    tmp_path: Path, end: str
) -> None:
    async with vendor(text_ms=60) as (side, bots), running(side, bots, tmp_path) as bot:
        await bot.watch()
        bot.speak("one two three four five six seven")
        await bot.until(lambda: bot.count(BotStartedSpeakingFrame))
        if end == "we":
            await asyncio.gather(bot.agent.dismiss(), bot.agent.dismiss())
            assert not side.running()
        else:
            bot.instance.delete(1203)
        await bot.until(bot.failures)
        await bot.until(lambda: bot.count(BotStoppedSpeakingFrame))
        assert bot.count(BotStartedSpeakingFrame) == bot.count(BotStoppedSpeakingFrame) == 1
        ((_, _, was_cut),) = [each for each in bot.bubbles() if each[0] == "assistant"]
        assert was_cut
        (failure,) = bot.failures()
        assert isinstance(failure.exception, Dismissed if end == "we" else EndedByVendor)
        assert not bot.agent.is_usable


async def test_agent_that_is_ended_during_the_goodbye_ends_the_conversation(
    tmp_path: Path,
) -> None:
    async with vendor(text_ms=60) as (side, bots), running(side, bots, tmp_path) as bot:
        await bot.watch()
        bot.speak("one two three four five six seven")
        await bot.until(lambda: bot.count(BotStartedSpeakingFrame))
        side.turn(rest_latency_ms=300)
        await bot.worker.queue_frame(EndFrame())
        await side.until(lambda: calls(side, "QueryAgentInstanceStatus"))  # whether it still speaks
        await bot.agent.dismiss()
        await bot.until(lambda: bot.count(EndFrame))
        assert not side.running()


async def test_conversation_is_told_of_its_end_although_nobody_waits_for_it(tmp_path: Path) -> None:
    async with (
        vendor(rest_latency_ms=100) as (side, bots),
        running(side, bots, tmp_path) as bot,
    ):
        await bot.watch()
        ending = asyncio.create_task(bot.agent.dismiss())
        await asyncio.sleep(0)
        ending.cancel()
        await bot.until(lambda: [each.exception for each in bot.failures()])
        assert isinstance(bot.failures()[0].exception, Dismissed)
        await side.until(lambda: not side.running())


@pytest.mark.parametrize("number", [10**400, -7, 0, True, "7", 1.5, None])
async def test_round_that_is_none_ends_nothing(tmp_path: Path, number: object) -> None:
    reply = {"Code": 0, "Message": "", "RequestId": "1", "Data": {"Round": number}}
    async with vendor() as (side, bots), running(side, bots, tmp_path) as bot:
        await bot.watch()
        side.fail("SendAgentInstanceLLM", status=200, body=reply, done=True)
        await bot.type("hello")
        await bot.until(lambda: ("assistant", "You said: hello.", False) in bot.bubbles())
        assert bot.failures() == []


async def test_page_opens_nothing_after_the_end(tmp_path: Path) -> None:
    async with vendor() as (side, bots):
        async with running(side, bots, tmp_path) as bot:
            pass
        bot.agent.page_says("avatar-watch", {})
        assert await bot.agent.viewer() is None
        assert not [each for each in asyncio.all_tasks() if "session" in each.get_name()]


async def test_instance_that_the_page_misses_is_looked_for_without_callbacks(
    tmp_path: Path,
) -> None:
    async with (
        vendor(tells=False) as (side, bots),
        running(side, bots, tmp_path) as bot,
    ):
        await bot.watch()
        for _ in range(20):
            bot.agent.page_says("avatar-left", {})
        await side.until(lambda: "QueryAgentInstanceStatus" in calls(side))
        bot.speak("still there")
        await bot.until(lambda: len(bot.bubbles()) == 2)
        assert bot.failures() == []
        bot.instance.delete(1203)
        bot.agent.page_says("avatar-left", {})
        await bot.until(bot.failures)
        assert isinstance(bot.failures()[0].exception, EndedByVendor)
        assert len(calls(side, "QueryAgentInstanceStatus")) <= 3


@pytest.mark.parametrize("tells", [True, False], ids=["callbacks", "page"])
async def test_part_that_fails_is_told_once_and_nobody_waits_for_its_answer(
    tmp_path: Path, tells: bool
) -> None:
    async with (
        vendor(tells=tells, llm="asked", llm_timeout_s=1) as (side, bots),
        running(side, bots, tmp_path) as bot,
    ):
        await bot.watch()
        for number, text in enumerate(("hello", "hello again"), start=1):
            if number == 1:
                bot.speak(text)
            else:
                await bot.type(text)
            await bot.until(lambda number=number: len(bot.messages("no-answer")) == number)
        await bot.until(bot.failures)
        (failure,) = bot.failures()
        assert isinstance(failure.exception, PartFailed)
        assert failure.exception.part == "language model"
        assert bot.count(LLMFullResponseEndFrame) == 2
        assert bot.agent.is_usable


async def test_question_that_is_refused_is_waited_for_no_longer(tmp_path: Path) -> None:
    async with vendor() as (side, bots), running(side, bots, tmp_path) as bot:
        await bot.watch()
        side.fail("SendAgentInstanceLLM", code=410001006)
        await bot.type("hello")
        await bot.until(bot.failures)
        await bot.until(lambda: bot.messages("no-answer"))
        await bot.type("hello")
        await bot.until(lambda: bot.bubbles()[-1] == ("assistant", "You said: hello.", False))


async def test_callback_that_says_it_is_over_ends_nothing_that_is_not(tmp_path: Path) -> None:
    async with vendor() as (side, bots), running(side, bots, tmp_path) as bot:
        await bot.watch()
        terms = bot.instance.terms
        body = {
            "AppId": side.knobs.app_id,
            "Event": "AgentInstanceDeleted",
            "AgentInstanceId": bot.instance.id,
            "AgentUserId": terms.agent_user,
            "RoomId": terms.room,
            "Sequence": 1,
            "Data": {"Code": 1202},
        }
        side.news.call(bot.instance.id, "forged", body, int(time.time() * 1e3), "session")
        await side.until(lambda: "QueryAgentInstanceStatus" in calls(side))
        bot.speak("still there")
        await bot.until(lambda: len(bot.bubbles()) == 2)
        assert bot.failures() == []


NOISE = [None, 7, "x", [], {}, {"Code": "x"}, {"Round": -1, "Text": 5}, {"Round": 2**70}]
EVENTS = (
    *("AgentInstanceCreated", "AgentInstanceDeleted", "Exception", "ASRResult", "LLMResult"),
    *("Interrupted", "UserSpeakAction", "AgentInstanceStatus", "SomethingNew"),
)


async def test_malformed_news_means_nothing_and_ends_nothing(tmp_path: Path) -> None:
    async with vendor() as (side, bots), running(side, bots, tmp_path) as bot:
        await bot.watch()
        terms = bot.instance.terms
        about = {
            "AppId": side.knobs.app_id,
            "AgentInstanceId": bot.instance.id,
            "AgentUserId": terms.agent_user,
            "RoomId": terms.room,
        }
        before = len(side.news.deliveries)
        now = int(time.time() * 1e3)
        for event, data in product(EVENTS, NOISE):
            for numbered in ({}, {"Sequence": 1}, {"Sequence": "x"}):
                body = {**about, **numbered, "Event": event, "Data": data}
                side.news.call(bot.instance.id, event, body, now, "session")
        for cmd, data in product((1, 3, 4, 6, 102, "x", None), NOISE):
            told = {"cmd": cmd, "seq_id": 1, "round": 1, "data": data}
            bot.agent.page_says("avatar-agent", {"messages": [told, data]})
        count = 3 * len(EVENTS) * len(NOISE)
        await side.until(lambda: len(side.news.deliveries) >= before + count)
        assert {each.status for each in side.news.deliveries[before:]} == {200}
        bot.speak("still there")
        await bot.until(lambda: ("assistant", "You said: still there.", False) in bot.bubbles())
        assert [role for role, _, _ in bot.bubbles()] == ["user", "assistant"]
        assert bot.failures() == []


@pytest.mark.parametrize("when", ["opening", "there", "speaking"])
async def test_conversation_that_is_cancelled_leaves_nothing_running(
    tmp_path: Path, when: str
) -> None:
    async with vendor(text_ms=60, rest_delay_ms=50) as (side, bots):
        async with running(side, bots, tmp_path) as bot:
            if when == "opening":
                bot.agent.page_says("avatar-watch", {})
                await side.until(lambda: "RegisterAgent" in calls(side))
            else:
                await bot.watch()
            if when == "speaking":
                bot.speak("one two three four five six seven")
                await bot.until(lambda: bot.count(BotStartedSpeakingFrame))
            await bot.worker.cancel()
        assert not side.running()
        assert await Journal(tmp_path).entries() == []


# The room


async def test_token_is_for_this_room_and_one_microphone_and_fresh_each_time(
    tmp_path: Path,
) -> None:
    async with vendor() as (side, bots), running(side, bots, tmp_path) as bot:
        first = await bot.watch()
        second = await bot.watch()
        assert first["token"] != second["token"]
        assert {**first, "token": ""} == {**second, "token": ""}
        token = Token04.open(second["token"], side.server_secret)

        def check(**other: str) -> None:
            token.check(
                app_id=side.knobs.app_id,
                user_id=other.get("user", second["user"]),
                room_id=other.get("room", second["room"]),
                now=time.time(),
                stream_id=other.get("stream", second["publish"]),
            )

        check()
        for other in ({"user": "u"}, {"room": "r"}, {"stream": second["stream"]}):
            with pytest.raises(BadToken):
                check(**other)
        told = [each for each in bot.page.frames if isinstance(each, ConfidentialMessageFrame)]
        assert len(told) == 2
        assert "token" not in repr(told)


async def test_another_conversations_callbacks_mean_nothing_here(tmp_path: Path) -> None:
    async with (
        vendor() as (side, bots),
        running(side, bots, tmp_path, relays=False) as one,
        running(side, bots, tmp_path, relays=False) as other,
    ):
        for bot in (one, other):
            await bot.watch()
        first, _ = side.instances()
        first.hears("hello", 0.1)
        await one.until(lambda: len(one.bubbles()) == 2)
        assert other.bubbles() == []
    assert await Journal(tmp_path).entries() == []
