"""ZEGO's digital human in somebody else's Pipecat bot: the lines of the README."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from pipecat.frames.frames import EndFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.runner import WorkerRunner

from emulators.zego import Emulator, serve
from tests.emulated.contract.stage import pieces, reply, stream, voice

pytestmark = pytest.mark.asyncio

README = (Path(__file__).parents[2] / "README.md").read_text()


def names_of_the_readme(emulator: Emulator) -> dict[str, Any]:
    section = README.split("### A digital human of ZEGO in your own Pipecat bot")[1]
    (code,) = re.findall(r"```python\n(.*?)```", section.split("\n##")[0], re.DOTALL)
    code = code.replace("avatarbot.", "").replace("secret))", f"secret, api_url={emulator.url!r}))")
    names: dict[str, Any] = {}
    exec(code, names)
    return names


async def test_the_lines_of_the_readme_let_it_be_seen_and_speak_and_end_its_session(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with serve() as emulator, asyncio.timeout(30):
        monkeypatch.setenv("ZEGO_APP_ID", str(emulator.knobs.app_id))
        monkeypatch.setenv("ZEGO_SERVER_SECRET", emulator.server_secret)
        names = names_of_the_readme(emulator)
        face = names["face"]()
        worker = PipelineWorker(Pipeline([face.output()]))
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        run = asyncio.create_task(runner.run())
        entry = await names["entry"](face)
        task = emulator.session()
        assert (entry["room"], entry["stream"]) == (task.terms.room, task.terms.stream)
        assert entry["token"].startswith("04")
        await worker.queue_frames([*reply(pieces(voice(0.5))), EndFrame()])
        await run
        assert stream(emulator) == voice(0.5)
        assert list(emulator.running()) == []
