"""How long who speaks to ZEGO's digital human waits, hop by hop: `uv run benchmarks/zego_turn.py`.

A person without a screen, the bot as it is shipped, and the emulator, whose calls take 200 ms, in
processes of their own. Speech ends when its last loud piece of 20 ms leaves the microphone. Frames
are timed as they are first pushed, by `turn_observer.py`; the emulator tells when the first PCM
came, and when the first sample was heard. How long it takes between the two is a guess at the
vendor's slowness: the defaults of `python -m emulators.zego`, which are printed.

Beside it stand the drawn face, as far as the page's door, and the digital human with ears and a
language model that are reached over the network. These are stand-ins: one writes down at once what
was said, the other thinks for `--thinks-s`. The voice is always the built-in one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from itertools import cycle, islice, pairwise
from math import inf
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import machine, summary
from benchmarks.listener import MICROPHONE_HZ, Listener, listening, serving, settle
from benchmarks.zego import APP_ID, CALLBACK_SECRET, SERVER_SECRET, Vendor, emulated
from services.espeak import Voice
from services.rendering import render
from services.wording import passages
from tests.emulated.standins.deepgram import Deepgram
from tests.emulated.standins.openai import OpenAI, Say
from tests.emulated.standins.serving import KEY

OBSERVER = Path(__file__).with_name("turn_observer.py")
CLAIMED_MS = 1_500.0
QUESTIONS = ("What is your name?", "How are you?", "Good morning.", "What time is it?")
ANSWER = "That is a good question, and this is my answer."
THINKS_S = 0.5  # after an answer
LOOK_S = 0.25
SILENT = asyncio.subprocess.DEVNULL
PATIENCE_S = 30.0

TIMED = ("VAD stopped", "transcript", "turn ended", "first token", "first voice")
HOPS = (
    "end of speech → VAD stopped",
    "→ transcript",
    "→ turn ended",
    "→ first token",
    "→ first voice",
    "→ first PCM at the door",
    "→ first audible",
)
TOTAL = "end of speech → the last of these"

Heard = Callable[[float], Awaitable[list[float]]]
"""Given the end of a question: waits for the answer's end, and tells when it came and was heard."""


class Turns:
    """What the bot tells of the turn at hand."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.at: dict[str, float] = {}

    async def read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if line.startswith(b"{"):
                self.at |= json.loads(line)


async def at_the_vendor(vendor: Vendor, since: float) -> list[float]:
    """When the first PCM of an answer came, and when it was heard first."""
    while True:
        for row in (await vendor.ask("sessions"))["sessions"]:
            told = await vendor.ask(f"sessions/{row['id']}", since=since)
            said = [each for each in told["utterances"] if each["opened_at"] > since]
            if said and all(each["ended_at"] for each in said):
                return [said[0]["chunks"][0]["at"], said[0]["started_at"]]
        await asyncio.sleep(LOOK_S)


async def at_the_page(listener: Listener, since: float) -> list[float]:
    """When the first sound of an answer came."""
    while not (came := [at for at in listener.arrived if at > since]):
        await asyncio.sleep(LOOK_S)
    await settle([listener])
    return came[:1]


async def meet(listener: Listener, vendor: Vendor) -> None:
    """Goes where the digital human is, and is greeted."""
    await listener.tell("client-message", {"t": "avatar-watch", "d": {}})
    while not (await vendor.ask("messages"))["connections"]:
        await asyncio.sleep(LOOK_S)
    await listener.tell("client-message", {"t": "avatar-joined", "d": {}})


def spoken(text: str) -> bytes:
    return b"".join(render(each, Voice("en-us"), MICROPHONE_HZ).pcm for each in passages(text))


async def talk(listener: Listener, turns: Turns, count: int, heard: Heard) -> list[list[float]]:
    """For each turn: when what happened. The first one is not counted."""
    reading = asyncio.create_task(turns.read())
    rows: list[list[float]] = []
    try:
        for question in islice(cycle(QUESTIONS), count + 1):
            await asyncio.sleep(THINKS_S)
            turns.at = {}
            ended = await listener.say(spoken(question))
            async with asyncio.timeout(PATIENCE_S):
                came = await heard(ended)
            rows.append([ended, *(turns.at.get(what, inf) for what in TIMED), *came])
    finally:
        reading.cancel()
        await asyncio.wait({reading})
    return rows[1:]


@asynccontextmanager
async def elsewhere(turns: int, thinks_s: float) -> AsyncIterator[dict[str, str]]:
    """Ears and a language model over the network, as settings."""
    ears = Deepgram(*islice(cycle(QUESTIONS), turns + 1))
    model = OpenAI(*[Say(ANSWER, after_s=thinks_s)] * (turns + 1), key=None)
    async with ears.running() as ears_url, model.running() as model_url:
        yield {
            "DEEPGRAM_API_KEY": KEY,
            "DEEPGRAM_API_URL": ears_url,
            "OPENAI_BASE_URL": model_url,
        }


@asynccontextmanager
async def built_in() -> AsyncIterator[dict[str, str]]:
    yield {}


def environment(folder: str, **settings: str) -> dict[str, str]:
    ours = {"XDG_STATE_HOME": folder, "PIPECAT_SETUP_FILES": str(OBSERVER), "GREETING": "Hello."}
    return os.environ | ours | settings


async def with_a_digital_human(
    turns: int, latency_ms: int, others: AbstractAsyncContextManager[dict[str, str]]
) -> list[list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        async with emulated(latency_ms, "") as vendor, others as settings:
            account = {
                "AVATAR": "zego",
                "ZEGO_APP_ID": str(APP_ID),
                "ZEGO_SERVER_SECRET": SERVER_SECRET,
                "ZEGO_CALLBACK_SECRET": CALLBACK_SECRET,
                "ZEGO_DIGITAL_HUMAN_API_URL": vendor.url,
            }
            env = environment(folder, **account, **settings)
            async with serving("bot.py", env=env, stderr=SILENT) as (address, process):
                await vendor.turn(callback_url=f"{address}/callbacks/zego")
                async with listening(address) as listener:
                    await meet(listener, vendor)
                    await settle([listener])
                    knobs = (await vendor.ask("knobs"))["knobs"]
                    least, most = knobs["speak_start_ms"], knobs["start_spread_ms"]
                    print(
                        f"  the emulator's face moves {least:.0f} to"
                        f" {least + most + knobs['jitter_ms']:.0f} ms after"
                        f" {knobs['first_frame_ms']:.0f} ms of voice are there"
                    )
                    heard = partial(at_the_vendor, vendor)
                    return await talk(listener, Turns(process), turns, heard)


async def with_the_drawn_face(turns: int) -> list[list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        env = environment(folder, AVATAR="local")
        async with (
            serving("bot.py", env=env, stderr=SILENT) as (address, process),
            listening(address) as listener,
        ):
            await settle([listener])
            return await talk(listener, Turns(process), turns, partial(at_the_page, listener))


def report(rows: list[list[float]]) -> None:
    """Every hop of the turns that had all of them, in order."""
    hops = [[1_000 * (b - a) for a, b in pairwise(row)] for row in rows if row == sorted(row)]
    for name, waits in zip(HOPS, zip(*hops, strict=True), strict=False):
        print(summary(f"  {name}", waits))
    totals = [sum(row) for row in hops]
    print(summary(f"  {TOTAL}", totals))
    in_time = sum(each < CLAIMED_MS for each in totals)
    print(f"  under {CLAIMED_MS:.0f} ms: {in_time} of {len(rows)} turns")


async def main(turns: int, latency_ms: int, thinks_s: float) -> None:
    print(machine())
    print("the drawn face, all built in; the last hop ends at the page's door:")
    report(await with_the_drawn_face(turns))
    print("ZEGO's digital human, all else built in:")
    report(await with_a_digital_human(turns, latency_ms, built_in()))
    print(f"ZEGO's digital human, Deepgram's ears, a model that thinks for {thinks_s:g} s:")
    report(await with_a_digital_human(turns, latency_ms, elsewhere(turns, thinks_s)))


if __name__ == "__main__":
    parsing = argparse.ArgumentParser(description=__doc__)
    parsing.add_argument("--turns", type=int, default=20, help="of each (%(default)s)")
    parsing.add_argument("--latency-ms", type=int, default=200, help="of a call (%(default)s)")
    parsing.add_argument("--thinks-s", type=float, default=0.5, help="of the model (%(default)s)")
    given = parsing.parse_args()
    asyncio.run(main(given.turns, given.latency_ms, given.thinks_s))
