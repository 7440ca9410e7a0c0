"""Sessions forked from a process that has loaded the bot."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from loguru import logger

from .bot_file import Fingerprint, fingerprint, has_changed, loaded_version
from .launching import launch
from .loading import SERVER
from .parent import Parent
from .processes import BotBroken, CannotFork, ProcessError, SessionProcess

LOOK_S = 1.0
"""How often it is looked whether the bot's files have changed, at most."""

PAUSE_S = 5.0
"""How long a bot that could not be loaded is not tried again, unless it changes."""

LONGEST_S = 12 * 3600.0
"""How long a zygote is used, changed or not."""


class Zygote:
    """See `processes.Processes`. When the bot's files change, new sessions get the new version.

    It is loaded beside: up to when it is there, they get the one before.

    Args:
        bot: The bot's file.
        server: The class of a session's server: module and name.
        longest_s: How long a zygote is used.
    """

    def __init__(self, bot: Path, *, server: str = SERVER, longest_s: float = LONGEST_S) -> None:
        self._bot = bot.resolve()
        self._server = server
        self._longest_s = longest_s
        self._current: Parent | None = None
        self._retired: set[Parent] = set()
        self._closed = False
        self._loading: asyncio.Task[Parent] | None = None
        self._tried: Fingerprint = fingerprint([str(self._bot)])
        self._broken: BotBroken | None = None
        self._retry_at = 0.0
        self._look_at = 0.0
        self._replace_at = 0.0
        self._loaded_at = 0.0

    @property
    def pid(self) -> int | None:
        """The number of the zygote that forks now."""
        return self._current.pid if self._current else None

    @property
    def age_s(self) -> float:
        """How long ago that one loaded the bot."""
        return asyncio.get_running_loop().time() - self._loaded_at

    async def start(self) -> None:
        """Load the bot.

        Raises:
            BotBroken
            CannotFork
        """
        if sys.platform != "linux":
            raise CannotFork("This system cannot fork safely.")
        await asyncio.shield(self._load())

    async def take(self) -> SessionProcess:
        """See `Processes.take`. Where the bot has to be loaded first, that is waited for."""
        for _ in range(2):  # a zygote may be found dead only when it is asked
            parent = self._usable()
            if parent is None:
                parent = await asyncio.shield(self._load())
            try:
                return await parent.fork()
            except ProcessError:
                if parent.alive:
                    raise
        raise ProcessError("The zygote dies again and again.")

    async def close(self) -> None:
        """See `Processes.close`."""
        self._closed = True
        if self._loading:
            self._loading.cancel()
            await asyncio.wait({self._loading})
        self._retire()
        await asyncio.gather(*(each.ended() for each in self._retired if each.idle))

    def _usable(self) -> Parent | None:
        """The zygote that there is, though a new one may be on its way; None: it is dead.

        Raises:
            ProcessError: There will be none.
        """
        if self._closed:
            raise ProcessError("No more processes are started.")
        now = asyncio.get_running_loop().time()
        if self._current is None or not self._current.alive:
            if self._broken and now < self._retry_at and not has_changed(self._tried):
                raise self._broken
            return None
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            if not self._loading and (now >= self._replace_at or has_changed(self._tried)):
                self._load()
        return self._current

    def _load(self) -> asyncio.Task[Parent]:
        """Load the bot, whoever waits for it: once for all, and it outlives each of them."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._loaded(), name="load the bot")
            self._loading.add_done_callback(self._loading_ended)
        return self._loading

    def _loading_ended(self, task: asyncio.Task[Parent]) -> None:
        self._loading = None
        if task.cancelled() or (error := task.exception()) is None:
            return
        if not self._closed and self._current is not None and self._current.alive:
            self._replace_at = asyncio.get_running_loop().time() + self._longest_s
            logger.error(f"New sessions still get the version before the last change: {error}")

    async def _loaded(self) -> Parent:
        now = asyncio.get_running_loop().time()
        before = fingerprint(self._tried)
        try:
            process, channel, loaded = await launch(
                "zygote_process", self._bot, server=self._server
            )
        except BotBroken as error:
            self._tried = fingerprint(error.files) | before
            self._broken, self._retry_at = error, asyncio.get_running_loop().time() + PAUSE_S
            raise
        except asyncio.CancelledError:
            raise ProcessError("No more processes are started.") from None
        self._broken = None
        self._tried = loaded_version(loaded.files, before)
        parent = Parent(process, channel)
        if loaded.obstacle:
            parent.retire()
            await parent.ended()
            raise CannotFork(loaded.obstacle)
        if loaded.warning:
            logger.warning(
                f"Sessions start slower, for the bot was not rehearsed: {loaded.warning}"
            )
        self._retire()
        self._current = parent
        self._loaded_at = now
        self._look_at, self._replace_at = now + LOOK_S, now + self._longest_s
        return parent

    def _retire(self) -> None:
        """Have the current zygote go when its sessions have gone."""
        self._retired = {each for each in self._retired if not each.over}
        if self._current is not None:
            self._current.retire()
            self._retired.add(self._current)
            self._current = None
