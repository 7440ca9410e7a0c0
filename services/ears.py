"""The thread that hears for one session: work for a recognizer, done in order, off the loop."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from .recognizer import Recognizer

_T = TypeVar("_T")


class Ears:
    """One thread with one recognizer. Closed, both are gone.

    Between two jobs the thread lets the open decoder catch up, so that this slow work delays
    nothing else.
    """

    def __init__(self) -> None:
        """Start the thread, on which the recognizer is built."""
        self._jobs: queue.SimpleQueue[Callable[[Recognizer], None] | None] = queue.SimpleQueue()
        self._closing = False
        self._closed: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="ears", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[Recognizer], _T]) -> asyncio.Future[_T]:
        """Have a job done after all earlier ones. Its error, if any, is the future's."""
        done: Future[_T] = Future()

        def work(recognizer: Recognizer) -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(job(recognizer))
            except Exception as error:  # noqa: BLE001 - handed to whoever waits for the job
                done.set_exception(error)

        self._jobs.put(work)
        return asyncio.wrap_future(done)

    async def aclose(self) -> None:
        """Drop what waits, finish the job at hand, and wait until the thread is gone."""
        self._closing = True
        self._jobs.put(None)
        await asyncio.wrap_future(self._closed)
        self._thread.join()  # its last statement has run

    def _run(self) -> None:
        try:
            recognizer = Recognizer()
            try:
                self._work(recognizer)
            finally:
                recognizer.end()  # others may wait for what it has borrowed
        except BaseException as error:  # noqa: BLE001 - handed to whoever closes
            self._closed.set_exception(error)
        else:
            self._closed.set_result(None)

    def _work(self, recognizer: Recognizer) -> None:
        behind = False
        while not self._closing:
            try:
                job = self._jobs.get(block=not behind)
            except queue.Empty:
                behind = recognizer.work_ahead()
                continue
            if job is None:
                return
            job(recognizer)
            behind = True
