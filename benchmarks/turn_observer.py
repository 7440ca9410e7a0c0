"""Prints what happens first in each turn, and when: a setup file for Pipecat.

`PIPECAT_SETUP_FILES=benchmarks/turn_observer.py uv run bot.py`. Times are of the machine's
monotonic clock, in seconds, so that those of other processes can stand beside them.
"""

from __future__ import annotations

import json
import time

from pipecat.frames.frames import (
    Frame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.pipeline.worker import PipelineWorker

TOLD: dict[type[Frame], str] = {
    VADUserStoppedSpeakingFrame: "VAD stopped",
    TranscriptionFrame: "transcript",
    UserStoppedSpeakingFrame: "turn ended",
    LLMTextFrame: "first token",
    TTSAudioRawFrame: "first voice",
}


class TurnObserver(BaseObserver):
    """Tells each thing once, until somebody speaks again."""

    def __init__(self) -> None:
        super().__init__(observe_every_push=False)
        self._told: set[str] = set()

    async def on_push_frame(self, data: FramePushed) -> None:
        """Is called a little later than the frame was pushed, and knows by how much."""
        late_ns = data.source.get_clock().get_time() - data.timestamp
        if isinstance(data.frame, VADUserStartedSpeakingFrame):
            self._told.clear()
        what = TOLD.get(type(data.frame))
        if what is not None and what not in self._told:
            self._told.add(what)
            print(json.dumps({what: (time.monotonic_ns() - late_ns) / 1e9}), flush=True)


async def setup_pipeline_worker(worker: PipelineWorker) -> None:
    """Pipecat calls this for every conversation."""
    worker.add_observer(TurnObserver())
