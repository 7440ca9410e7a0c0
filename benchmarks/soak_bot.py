"""`bot.py`, which tells on SIGUSR1 what it holds: what `benchmarks/soak.py` watches."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).parents[1]))

import bot as house

bot = house.bot


def rss_mb() -> float:
    """Memory of this process that is in use, in megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def tell(_: int, __: FrameType | None) -> None:
    gc.collect()
    descriptors = [os.readlink(f"/proc/self/fd/{each}") for each in _descriptors()]
    held = {
        "tasks": len(asyncio.all_tasks()),
        "sockets": sum(each.startswith("socket:") for each in descriptors),
        "files": sum(not each.startswith("socket:") for each in descriptors),
        "threads": threading.active_count(),
        "rss_mb": round(rss_mb(), 1),
    }
    sys.stderr.write(f"HELD {json.dumps(held)}\n")
    sys.stderr.flush()


def _descriptors() -> list[str]:
    """Open descriptors, without the one that is open to list them."""
    return [each for each in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{each}")]


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, tell)
    house.main()
