"""A service of ours in a real pipeline, with what leaves it in a queue."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pipecat.frames.frames import CancelFrame, EndFrame, Frame, StartFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

DEADLINE_S = 20.0


class Sink(FrameProcessor):
    """The end of the pipeline."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self._more = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        self._more.set()
        await self.push_frame(frame, direction)

    async def find(self, wanted: Callable[[Frame], bool], after: int = 0) -> Frame:
        """The first frame, from number `after` on, that is wanted; waits for it."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for frame in self.frames[after:]:
                    if wanted(frame):
                        return frame
                self._more.clear()
                await self._more.wait()

    async def next(self, kind: type[Frame], after: int = 0) -> Frame:
        return await self.find(lambda frame: isinstance(frame, kind), after)


class Running:
    """A pipeline that runs: send frames in, look at what came out."""

    def __init__(self, worker: PipelineWorker, sink: Sink) -> None:
        self._worker = worker
        self.sink = sink

    async def send(self, *frames: Frame) -> None:
        for frame in frames:
            await self._worker.queue_frame(frame)

    async def send_upstream(self, frame: Frame) -> None:
        await self.sink.push_frame(frame, FrameDirection.UPSTREAM)


@asynccontextmanager
async def running(
    service: FrameProcessor, *, end: type[Frame] = EndFrame
) -> AsyncIterator[Running]:
    """Run a service; at the end `EndFrame` or `CancelFrame` ends it."""
    sink = Sink()
    worker = PipelineWorker(
        Pipeline([service, sink]), cancel_on_idle_timeout=False, enable_rtvi=False
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    task = asyncio.create_task(runner.run())
    await sink.next(StartFrame)
    try:
        yield Running(worker, sink)
    finally:
        if end is CancelFrame:
            await worker.cancel()
        else:
            await worker.queue_frame(EndFrame())
        async with asyncio.timeout(DEADLINE_S):
            await task
