"""Does the bot remember what was heard: twenty stories, cut at random moments, on the real page.

`uv run benchmarks/memory.py [--runs 20]`. After each cut the bot is asked what it said. Its answer
comes from the context of the model; it has to hold the words of the bubble, no more and no fewer.
How well both agree with the samples that were really played is what the tests of the core show
(`tests/unit/transports/avatar/test_output.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.figures import machine  # noqa: E402
from tests.browser.visit import Visit, record, running_bot, visiting  # noqa: E402
from tests.conftest import find_chromium  # noqa: E402


def words(text: str) -> list[str]:
    """Words alone: the bot repeats a part of a sentence, so its last mark may differ."""
    return re.findall(r"[a-z']+", text.lower())


async def cut_and_ask(visit: Visit, after_s: float) -> tuple[list[str], list[str]]:
    """The words of the cut bubble, and those that the bot says it said."""
    began = await visit.now()
    await visit.say("Tell me a story")
    await visit.until("audible", after=began)
    await asyncio.sleep(after_s)
    cut = await visit.now()
    await visit.say("What did you say?")
    await visit.until("status", after=cut, status="speaking")
    await visit.until("status", after=await visit.now(), status="listening")
    await asyncio.sleep(0.3)
    story, _, answer = (await visit.bubbles())[-3:]
    return words(story.removeprefix("Bot").removesuffix("— cut off")), words(answer)


async def main(runs: int, seed: int) -> None:
    chromium = find_chromium()
    assert chromium, "needs Chromium"
    print(machine(), f"seed {seed}")
    chance = random.Random(seed)
    alike = 0
    with tempfile.TemporaryDirectory() as folder:
        silence = Path(folder) / "silence.wav"
        record(silence, [1200.0])
        async with running_bot() as address, visiting(address, chromium, silence) as visit:
            await visit.press("Start")
            await visit.until("status", status="speaking")
            await visit.until("status", after=await visit.now(), status="listening")
            for _ in range(runs):
                after_s = chance.uniform(0.2, 5.0)
                heard, remembered = await cut_and_ask(visit, after_s)
                # The answer says "I said" before, and stops where the bubble stops.
                same = remembered[-len(heard) :] == heard and len(remembered) <= len(heard) + 6
                alike += same
                print(
                    f"{after_s:4.1f} s: {len(heard):2} words heard, {'same' if same else 'OTHER'}"
                )
                if not same:
                    print("   bubble:", " ".join(heard), "\n   answer:", " ".join(remembered))
    print(f"{alike} of {runs} alike")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=20, help="cuts (%(default)s)")
    arguments.add_argument("--seed", type=int, default=1, help="of the moments (%(default)s)")
    given = arguments.parse_args()
    asyncio.run(main(given.runs, given.seed))
