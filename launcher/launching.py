"""Starts a process that loads the bot, and waits until it has."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path

from .channel import Channel, ChannelError
from .loading import command, environment
from .messages import Loaded
from .processes import BotBroken, ProcessError

LOADING_S = 60.0


async def launch(module: str, bot: Path, *, server: str) -> tuple[Process, Channel, Loaded]:
    """Start a module of ours; returns once it has loaded the bot.

    Raises:
        BotBroken
        ProcessError: The system has no room for one more process.
    """
    try:
        ours, theirs = Channel.pair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *command(module, bot, theirs.fileno(), server),
                stdin=DEVNULL,
                env=environment(),
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # what a terminal tells its programs is for the launcher
            )
    except OSError as error:
        raise ProcessError(f"The system starts no more processes: {error.strerror}.") from error
    try:
        async with asyncio.timeout(LOADING_S):
            loaded, _ = await ours.receive()
            if loaded.error:
                raise BotBroken(loaded.error, loaded.files)
    except BaseException as error:
        ours.close()
        code = await _end(process, kill=not isinstance(error, ChannelError))
        if isinstance(error, ChannelError):
            raise BotBroken(f"{bot.name} ends Python while it is loaded (code {code}).") from None
        if isinstance(error, TimeoutError):
            raise BotBroken(f"{bot.name} is not loaded within {LOADING_S:.0f} s.") from None
        raise
    return process, ours, loaded


async def _end(process: Process, *, kill: bool) -> int:
    if kill and process.returncode is None:
        process.kill()
    return await process.wait()
