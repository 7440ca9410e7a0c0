"""What a session that stands still does to another's voice: `uv run benchmarks/neighbour.py`.

Two people have the bot count. The first one's process stands still for two seconds while the second
listens, and the second one's longest wait between two pieces of the voice is compared with a run in
which nobody stands still. Beside it the same with `uv run bot.py`, where both have one process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import sys
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import machine, summary
from benchmarks.listener import Listener, listening, serving
from benchmarks.starting import descendants

STILL_S = 2.0
SPEAKS_S = 1.0  # until both surely speak


async def longest_wait_ms(pid: int, address: str, *, still: bool) -> float:
    """The second person's, over two seconds in the middle of the voice."""
    async with listening(address) as first:
        before = {pid, *descendants(pid)}
        async with listening(address) as second:
            for each in (first, second):
                await each.tell("send-text", {"content": "Count to twenty"})
            await asyncio.sleep(SPEAKS_S)
            stands = min(before - {pid}, key=lambda each: -each, default=pid)
            began = len(second.arrived)
            if still:
                os.kill(stands, signal.SIGSTOP)
            await asyncio.sleep(STILL_S)
            if still:
                os.kill(stands, signal.SIGCONT)
            await asyncio.sleep(0.1)
            return longest(second, began)


def longest(listener: Listener, began: int) -> float:
    times = listener.arrived[max(0, began - 1) :]
    return 1_000 * max(after - before for before, after in pairwise(times))


async def main(runs: int) -> None:
    print(machine())
    for name, command in (("launcher", ("-m", "launcher")), ("bot.py", ("bot.py",))):
        async with serving(*command, stderr=-3) as (address, process):
            alone, beside = list[float](), list[float]()
            for _ in range(runs):
                alone.append(await longest_wait_ms(process.pid, address, still=False))
                beside.append(await longest_wait_ms(process.pid, address, still=True))
            print(summary(f"{name}: longest wait, all well", alone))
            print(summary(f"{name}: longest wait, one stands still", beside))
            moved = [b - a for a, b in zip(alone, beside, strict=True)]
            print(
                f"{name}: moved by {statistics.median(moved):.0f} ms"
                f" ({min(moved):.0f}…{max(moved):.0f})"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    asyncio.run(main(parser.parse_args().runs))
