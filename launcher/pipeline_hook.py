"""Shows every pipeline of this process to the launcher, through Pipecat's own setup files.

Pipecat loads this file by its path (`PIPECAT_SETUP_FILES`), as a module that is in no package.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipecat.pipeline.worker import PipelineWorker
    from pipecat.workers.runner import WorkerRunner

VARIABLE = "PIPECAT_SETUP_FILES"


def install() -> None:
    """Have Pipecat load this file, behind those that it is to load anyway."""
    others = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = os.pathsep.join([*([others] if others else []), __file__])


async def setup_pipeline_worker(worker: PipelineWorker) -> None:
    """Called by Pipecat for each pipeline."""
    import_module("launcher.pipelines").HERE.add_worker(worker)


async def setup_worker_runner(runner: WorkerRunner) -> None:
    """Called by Pipecat for each runner of pipelines."""
    import_module("launcher.pipelines").HERE.add_runner(runner)
