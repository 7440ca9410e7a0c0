"""One client in a process of its own: `python -m benchmarks.peers.child JOB CLIENT …`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import resource
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from loguru import logger

from tests.emulated.peers import pipecat_asks

from .clients import BY_NAME, Client, Place, Talk, liveavatar
from .voice import Voice, speech

UTTERANCE_S, PAUSE_S = 5.0, 0.5
WARM_UP_S = 1.5
TAIL_S = 1.0


def say(**what: object) -> None:
    """Tells the parent."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def cpu_s() -> float:
    """User and system time of this process and its children up to now."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


async def speak_on(talk: Talk, voice: Voice, until: float, delay_s: float) -> float:
    """One utterance after the other in real time; returns how many seconds were said."""
    now = asyncio.get_running_loop().time
    await asyncio.sleep(delay_s)
    said = 0.0
    while now() + voice.seconds <= until:
        begin = now()
        await talk.say(voice)
        said += voice.seconds
        await asyncio.sleep(max(0.0, begin + voice.seconds + PAUSE_S - now()))
    return said


async def spend(client: Client, place: Place, sessions: int, seconds: float, null: bool) -> None:
    """Speaks in so many sessions at a time, and tells what that cost."""
    voice = speech(UTTERANCE_S)
    async with AsyncExitStack() as stack:
        opened = client.null if null else client.open
        talks = [await stack.enter_async_context(opened(place)) for _ in range(sessions)]
        await asyncio.sleep(WARM_UP_S)
        await asyncio.gather(*(talk.say(speech(0.2)) for talk in talks))
        await asyncio.sleep(WARM_UP_S)
        gc.collect()
        used, until = cpu_s(), asyncio.get_running_loop().time() + seconds
        step_s = (UTTERANCE_S + PAUSE_S) / sessions
        said = await asyncio.gather(
            *(speak_on(talk, voice, until, step_s * each) for each, talk in enumerate(talks))
        )
        await asyncio.sleep(TAIL_S)
        say(cpu_s=cpu_s() - used, minutes=sum(said) / 60)


async def be_killed(client: Client, place: Place, cancel: bool) -> None:
    """Speaks until it is ended from outside, or, with `cancel`, until its own task is cancelled."""
    if cancel:
        me = asyncio.current_task()
        assert me is not None
        asyncio.get_running_loop().call_later(3.0, me.cancel)
    async with client.open(place) as talk:
        await asyncio.sleep(1.5)
        talk.start_saying(speech(6.0))
        await asyncio.sleep(0.5)
        say(speaks=True)
        while not talk.times("over"):
            await asyncio.sleep(0.05)


async def leave_traces(client: Client, place: Place) -> None:
    """A conversation with a cut-in, with everything logged that anybody logs."""
    logger.remove()
    logger.add(sys.stderr, level="TRACE")
    logging.basicConfig(level=logging.DEBUG)
    async with client.open(place) as talk:
        await asyncio.sleep(1.5)
        talk.start_saying(speech(2.0))
        await asyncio.sleep(1.0)
        await talk.cut()
        await talk.listened()
        await asyncio.sleep(0.5)
    say(done=True)


async def reap(place: Place) -> None:
    """What our bot does when it is started."""
    say(left=len(await liveavatar(place).reap()))


def main() -> None:
    parsing = argparse.ArgumentParser()
    parsing.add_argument("job", choices=("cpu", "killed", "log", "reap"))
    parsing.add_argument("client", choices=tuple(BY_NAME))
    for name in ("--url", "--key", "--heygen-key", "--folder"):
        parsing.add_argument(name, required=True)
    parsing.add_argument("--sessions", type=int, default=1)
    parsing.add_argument("--seconds", type=float, default=30.0)
    for name in ("--null", "--cancel", "--handle-sigterm"):
        parsing.add_argument(name, action="store_true")
    given = parsing.parse_args()
    logger.remove()
    client = BY_NAME[given.client]
    folder = Path(given.folder)
    place = Place(given.url, given.key, given.heygen_key, folder, given.handle_sigterm)
    jobs: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
        "cpu": lambda: spend(client, place, given.sessions, given.seconds, given.null),
        "killed": lambda: be_killed(client, place, given.cancel),
        "log": lambda: leave_traces(client, place),
        "reap": lambda: reap(place),
    }
    with pipecat_asks(given.url):
        asyncio.run(jobs[given.job]())


if __name__ == "__main__":
    main()
