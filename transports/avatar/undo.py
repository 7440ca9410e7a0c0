"""What has to be done to the end, whoever loses patience meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def finish(work: Coroutine[Any, Any, None], *, within_s: float) -> None:
    """Do `work` although the caller is cancelled, and then pass the cancellation on.

    For what costs money if it is left half done. It runs in a task of its own, because a task that
    is cancelled twice loses the first thing that it awaits.

    Args:
        work: What to do.
        within_s: How long it may take, in seconds.

    Raises:
        TimeoutError: It took longer.
    """
    task = asyncio.create_task(_in_time(work, within_s), name="undo")
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        if not task.cancelled():
            task.exception()  # looked at, so that it is not complained of later
        raise asyncio.CancelledError
    await task


async def _in_time(work: Coroutine[Any, Any, None], within_s: float) -> None:
    async with asyncio.timeout(within_s):
        await work
