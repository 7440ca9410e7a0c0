"""Many agents of one project at a time: the vendor counts their calls together."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pipecat.frames.frames import InterruptionFrame, StartFrame, TTSSpeakFrame

from tests.emulated.agent_stage import Bot, running, vendor

pytestmark = pytest.mark.asyncio

SESSIONS = 20
PATIENCE_S = 40.0
ACTIONS = {
    *("RegisterAgent", "CreateDigitalHumanAgentInstance", "DeleteAgentInstance"),
    *("SendAgentInstanceTTS", "SendAgentInstanceLLM", "InterruptAgentInstance"),
    *("QueryAgentInstanceStatus", "GetAgentInstanceMsgList"),
}


async def test_twenty_agents_of_one_project_stay_below_its_limit_and_all_of_them_work(
    tmp_path: Path,
) -> None:
    async with vendor(instance_limit=0, face_limit=0, rate_limit=0, text_ms=60) as (side, bots):
        all_there = asyncio.Barrier(SESSIONS)

        async def converse() -> None:
            async with running(side, bots, tmp_path, relays=False) as bot:
                await bot.worker.queue_frame(TTSSpeakFrame("Hello, I am here."))
                await bot.until(lambda: bot.count(StartFrame))
                await all_there.wait()  # to start them takes this process's time, and nobody else's
                room = await bot.watch()
                (mine,) = (each for each in side.instances() if each.terms.room == room["room"])
                await bot.until(lambda: len(bot.bubbles()) == 1, PATIENCE_S)
                await all_there.wait()
                mine.hears("one two three four five six seven eight nine ten", 0.1)
                await speaks(bot, 2)
                await bot.worker.queue_frame(InterruptionFrame())  # nothing else cuts it
                await side.until(lambda: mine.interruptions, PATIENCE_S)
                await bot.until(lambda: any(cut for *_, cut in bot.bubbles()), PATIENCE_S)
                await bot.type("go on")
                answer = ("assistant", "You said: go on.", False)
                await bot.until(lambda: answer in bot.bubbles(), PATIENCE_S)
                assert bot.failures() == []

        async with asyncio.timeout(2 * PATIENCE_S), asyncio.TaskGroup() as conversations:
            for _ in range(SESSIONS):
                conversations.create_task(converse())
        assert side.running() == []
        most = {name: side.most_in_a_second(name) for name in {c.name for c in side.record.calls}}
        assert most.keys() >= ACTIONS
        assert {name: count for name, count in most.items() if count > 10} == {}
        assert {each.code for each in side.record.calls if each.name != "RegisterAgent"} == {0}


async def speaks(bot: Bot, times: int) -> None:
    """It has begun to, so often."""
    await bot.until(lambda: bot.kinds().count("BotStartedSpeakingFrame") == times, PATIENCE_S)
