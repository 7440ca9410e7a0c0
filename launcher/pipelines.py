"""The pipelines of this process: `pipeline_hook` notes them down, and the launcher ends them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipecat.frames.frames import EndFrame, TTSSpeakFrame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.runner import WorkerRunner

_REASON = "the launcher ends the session"


class Pipelines:
    """What a session's process runs.

    Attributes:
        added: Called when a pipeline is about to be set up.
        started: Called when one has started.
    """

    def __init__(self) -> None:
        self.added: Callable[[], None] = lambda: None
        self.started: Callable[[], None] = lambda: None
        self._workers: list[PipelineWorker] = []
        self._runners: list[WorkerRunner] = []

    def add_worker(self, worker: PipelineWorker) -> None:
        """Note one down. It is about to be set up."""
        self._workers.append(worker)
        worker.add_event_handler("on_pipeline_started", self._started)
        self.added()

    def add_runner(self, runner: WorkerRunner) -> None:
        """Note down what runs some of them, and perhaps others."""
        self._runners.append(runner)

    async def say_goodbye(self, text: str) -> bool:
        """Have a text said as the last one. Returns whether there is anybody to say it."""
        roots = [each for each in self._live() if each.parent is None]
        for worker in roots:
            await worker.queue_frames([TTSSpeakFrame(text, append_to_context=False), EndFrame()])
        return bool(roots)

    async def cancel(self) -> bool:
        """End them at once, in order. Returns whether there is anything to end."""
        live = self._live()
        for runner in self._runners:
            await runner.cancel(_REASON)
        for worker in live:
            await worker.cancel(reason=_REASON)
        return bool(live)

    def _live(self) -> list[PipelineWorker]:
        return [each for each in self._workers if not each.has_finished()]

    async def _started(self, *_: Any) -> None:
        self.started()


HERE = Pipelines()
"""Those of this process, which has one session."""
