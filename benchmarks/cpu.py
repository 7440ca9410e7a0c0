"""What the face costs: CPU of the bot with four speaking sessions, with and without the avatar.

`uv run benchmarks/cpu.py [--runs 20] [--muted]`. Both bots count to twenty for the same four
clients, in turn. The figure is the process's CPU time from the question until the last word was
heard, per minute of speech, and the ratio pair by pair. Microphones are open and hear a quiet
room, as in a conversation, so that VAD and STT work too; `--muted` leaves only the voice's way.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
from contextlib import AsyncExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import machine, summary
from benchmarks.listener import VOICE_HZ, listening, serving, settle

SESSIONS = 4
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def one_run(address: str, pid: int, *, muted: bool) -> float:
    """CPU seconds per minute of speech."""
    now = asyncio.get_running_loop().time
    async with AsyncExitStack() as sessions:
        listeners = [
            await sessions.enter_async_context(listening(address, muted=muted))
            for _ in range(SESSIONS)
        ]
        await settle(listeners)
        before, samples = cpu_s(pid), sum(each.samples for each in listeners)
        began = now()
        for listener in listeners:
            listener.heard_at = began
            await listener.tell("send-text", {"content": "Count to twenty"})
        await settle(listeners)
        spent = cpu_s(pid) - before
        minutes = (sum(each.samples for each in listeners) - samples) / VOICE_HZ / 60
    return spent / minutes


async def main(runs: int, *, muted: bool) -> None:
    print(machine())
    figures: dict[str, list[float]] = {"bot.py": [], "benchmarks/without_avatar.py": []}
    for run in range(runs):
        for script, values in figures.items():
            async with serving(script) as (address, process):
                values.append(1_000 * await one_run(address, process.pid, muted=muted))
        print(f"run {run + 1}:", {s: round(v[-1]) for s, v in figures.items()}, flush=True)
    with_face, without = figures.values()
    for script, values in figures.items():
        print(summary(script, values, "ms of CPU per minute of speech"))
    ratios = [a / b for a, b in zip(with_face, without, strict=True)]
    print(f"ratio: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=20, help="pairs (%(default)s)")
    arguments.add_argument("--muted", action="store_true", help="no microphones")
    options = arguments.parse_args()
    asyncio.run(main(options.runs, muted=options.muted))
