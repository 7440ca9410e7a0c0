"""Rows for which a client needs a process of its own: what it costs, leaves behind, and logs."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from functools import partial

from .clients import Client
from .scene import Findings, Scene, Seen, known
from .vendor import PREFIX, ROOT, Json

CPU_S = 30.0
START_S, END_S = 60.0, 20.0
SECRET = re.compile(rf"{PREFIX}([a-z]+)")


async def child(
    scene: Scene, job: str, client: Client, *options: str, logs: bool = False
) -> Process:
    place = scene.place
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.peers.child", job, client.name, "--url", place.url),
        *("--key", place.key, "--heygen-key", place.heygen_key, "--folder", str(place.folder)),
        *options,
        cwd=ROOT,
        stdout=PIPE,
        stderr=PIPE if logs else asyncio.subprocess.DEVNULL,
    )


async def answer(process: Process) -> Json:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(CPU_S + START_S):
            return json.loads(await process.stdout.readline() or "{}")
    except BaseException:
        process.kill()
        raise


async def over(process: Process) -> None:
    """Waits for its end, and helps where it does not come."""
    try:
        async with asyncio.timeout(END_S):
            await process.communicate()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def cpu(scene: Scene, client: Client, *, sessions: int) -> Seen:
    """CPU time of speech with the avatar, less the same speech without one right after it."""
    spent: list[float] = []
    for null in ((), ("--null",)):
        size = ("--sessions", str(sessions), "--seconds", str(CPU_S))
        process = await child(scene, "cpu", client, *size, *null)
        told = await answer(process)
        await over(process)
        spent.append(told["cpu_s"] / told["minutes"])
    label = f"CPU s per minute of speech, {sessions} session{'s' * (sessions > 1)}"
    return partial(known, {label: spent[0] - spent[1], f"{label}: without avatar": spent[1]})


async def left_running(scene: Scene, client: Client) -> Seen:
    """Does the paid session outlive its process?"""
    found: Findings = {}
    ends = {
        "SIGTERM, WorkerRunner(handle_sigterm=True)": ("--handle-sigterm",),
        "task.cancel": ("--cancel",),
        "SIGTERM, plain script": (),
        "kill -9": (),
    }
    for name, options in ends.items():
        if "WorkerRunner" in name and not client.knows_interruption_frame:
            continue  # Pipecat's
        before = {each["id"] for each in await scene.vendor.sessions()}
        process = await child(scene, "killed", client, *options)
        await answer(process)
        if "SIGTERM" in name:
            process.terminate()
        elif name == "kill -9":
            process.kill()
        await over(process)
        await asyncio.sleep(0.3)
        found[f"session left running after {name}"] = await _left(scene, before)
        if name == "kill -9":
            if client.ours:
                await over(await child(scene, "reap", client))
            found["– and after the next start"] = await _left(scene, before)
    return partial(known, found)


async def _left(scene: Scene, before: set[str]) -> bool:
    return any(
        each["id"] not in before and each["started_at"] and not each["ended_at"]
        for each in await scene.vendor.sessions()
    )


async def logged(scene: Scene, client: Client) -> Seen:
    """Which of the vendor's secrets stand in the log, with everything logged."""
    process = await child(scene, "log", client, logs=True)
    async with asyncio.timeout(START_S):
        _, log = await process.communicate()
    kinds = sorted(set(SECRET.findall(log.decode(errors="replace"))))
    return partial(known, {"credentials in the TRACE log": ", ".join(kinds) or "none"})
