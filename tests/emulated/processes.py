"""What Linux says of processes, and waiting for what they do."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEADLINE_S = 20


@dataclass(frozen=True)
class Vitals:
    """What a process holds."""

    resident_mb: float
    files: int
    threads: int


def vitals(pid: int) -> Vitals:
    folder = Path(f"/proc/{pid}")
    lines = (folder / "status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines if line)
    return Vitals(
        resident_mb=int(status["VmRSS"].split()[0]) / 1024,
        files=len(os.listdir(folder / "fd")),
        threads=int(status["Threads"]),
    )


def lives(pid: int) -> bool:
    """Whether a process runs. A zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def children(pid: int) -> list[int]:
    """Zombies included."""
    try:
        return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    except (FileNotFoundError, ProcessLookupError):
        return []


async def until(condition: Callable[[], Any]) -> Any:
    """Returns what holds once something does. Processes have no event of ours to wait for."""
    async with asyncio.timeout(DEADLINE_S):
        while not (found := condition()):
            await asyncio.sleep(0.005)
    return found
