"""Pipecat shows its pipelines to the launcher."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pipecat.frames.frames import EndFrame, Frame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from launcher import pipeline_hook, pipelines

pytestmark = pytest.mark.asyncio


class Notes(FrameProcessor):
    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        await self.push_frame(frame, direction)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> pipelines.Pipelines:
    monkeypatch.delenv(pipeline_hook.VARIABLE, raising=False)
    monkeypatch.setattr(pipelines, "HERE", pipelines.Pipelines())
    monkeypatch.setenv(pipeline_hook.VARIABLE, "")
    pipeline_hook.install()
    return pipelines.HERE


async def test_setup_files_of_others_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(pipeline_hook.VARIABLE, "/others.py")
    pipeline_hook.install()
    assert os.environ[pipeline_hook.VARIABLE].split(os.pathsep) == [
        "/others.py",
        pipeline_hook.__file__,
    ]


@pytest.mark.parametrize("way", ["goodbye", "cancel"])
async def test_pipeline_is_seen_from_its_start_to_its_end(
    here: pipelines.Pipelines, way: str
) -> None:
    started: list[str] = []
    here.started = lambda: started.append("started")
    notes = Notes()
    worker = PipelineWorker(Pipeline([notes]), idle_timeout_secs=None)
    assert not await here.say_goodbye("Farewell.")
    assert not await here.cancel()

    @worker.event_handler("on_pipeline_started")
    async def end(*_: object) -> None:
        assert await (here.say_goodbye("Farewell.") if way == "goodbye" else here.cancel())

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    assert started == ["started"]
    said = [each for each in notes.frames if isinstance(each, TTSSpeakFrame | EndFrame)]
    if way == "goodbye":
        assert isinstance(said[0], TTSSpeakFrame)
        assert (said[0].text, said[0].append_to_context) == ("Farewell.", False)
        assert isinstance(said[1], EndFrame)
    else:
        assert said == []
    assert not await here.say_goodbye("Farewell.")
