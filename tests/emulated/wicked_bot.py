"""A bot that does what it should not: `body["do"]` says what."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pipecat.frames.frames import EndFrame, Frame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.types import RunnerArguments
from pipecat.workers.runner import WorkerRunner

from launcher import memory

memory.READ_S = 0.5


class Notes(FrameProcessor):
    """Writes down what is said; a goodbye takes as long as it is told to."""

    def __init__(self, file: Path, goodbye_s: float) -> None:
        super().__init__()
        self._file = file
        self._goodbye_s = goodbye_s

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSSpeakFrame):
            self._file.write_text(frame.text)
        if isinstance(frame, EndFrame):
            await asyncio.sleep(self._goodbye_s)
        await self.push_frame(frame, direction)


async def bot(runner_args: RunnerArguments) -> None:
    """Does it, once a pipeline runs."""
    body: dict[str, Any] = runner_args.body or {}
    notes = Notes(Path(body.get("notes", os.devnull)), body.get("goodbye_s", 0.0))
    worker = PipelineWorker(Pipeline([notes]), idle_timeout_secs=None)
    workers = WorkerRunner(handle_sigint=False)
    await workers.add_workers(worker)

    @worker.event_handler("on_pipeline_started")
    async def started(*_: object) -> None:
        asyncio.get_running_loop().call_soon(do, body)

    hold: list[bytes] = []
    ends: list[asyncio.Task[None]] = []

    def do(body: dict[str, Any]) -> None:
        match body.get("do"):
            case "block":
                time.sleep(body.get("seconds", 1_000))
            case "grow":
                hold.append(b"x" * (body["mb"] << 20))
            case "chatter":  # past Python, as a library does
                os.write(2, b"and so on\n" * (body["mb"] * 100_000))
            case "exit":
                os._exit(body["code"])
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "fork":
                command = [sys.executable, "-c", "import time; time.sleep(1000)"]
                Path(body["pid_file"]).write_text(str(subprocess.Popen(command).pid))
            case "daemon":
                script = f"setsid sleep 1000 >/dev/null 2>&1 & echo $! > '{body['pid_file']}'"
                subprocess.run(["sh", "-c", script], check=True)
            case "end":
                ends.append(asyncio.create_task(worker.queue_frame(EndFrame())))

    if body.get("do") == "raise":
        raise RuntimeError("as it was told")
    while True:
        try:
            await workers.run()
        except asyncio.CancelledError:
            if body.get("do") != "ignore":
                raise
        if body.get("do") != "ignore":
            return
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        await asyncio.sleep(1_000)
