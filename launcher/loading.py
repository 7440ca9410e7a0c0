"""What zygote and warm processes have in common: how they begin, and load the bot."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from loguru import logger

from . import bot_file, kernel, pipeline_hook
from .channel import Channel
from .messages import Loaded

SERVER = "launcher.session_server:SessionServer"

ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # a thread of its own, and reports to Microsoft
}
"""Without these, libraries start threads as they are imported, which then do nothing for a bot."""

_NO_LOGS = "LOGURU_AUTOINIT"
"""Until its logs are set up, nothing is logged: what is imported up to then greets."""


def command(module: str, bot: Path, channel: int, server: str) -> list[str]:
    """How to start a process that calls `begin`."""
    options = {"--bot": bot, "--channel": channel, "--parent": os.getpid(), "--server": server}
    given = [str(each) for pair in options.items() for each in pair]
    return [sys.executable, "-m", f"launcher.{module}", *given]


def environment() -> dict[str, str]:
    """What such a process finds in its environment."""
    root = str(Path(__file__).parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    ours = {"PYTHONPATH": os.pathsep.join(paths), _NO_LOGS: "0"}
    return ENVIRONMENT | os.environ | ours


def begin() -> tuple[argparse.Namespace, Channel]:
    """What the process was told, and its end of the channel."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bot", type=Path, required=True)
    parser.add_argument("--channel", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--unrehearsed", action="store_true")
    options = parser.parse_args()
    kernel.die_with(options.parent)
    # When it is time to end is the launcher's to say, though a terminal or systemd tell all.
    # Not SIG_IGN: programs that the bot starts would inherit it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _unmoved)
    pipeline_hook.install()
    os.environ.pop(_NO_LOGS, None)  # it is not for programs that the bot starts
    configure_logs(sys.stderr, None)
    return options, Channel(socket.socket(fileno=options.channel))


def load(path: Path, channel: Channel) -> ModuleType | None:
    """The bot; or None, and the launcher is told why."""
    try:
        module = bot_file.load(path)
    except bot_file.BotError as error:
        files = {*bot_file.files(path), *error.files}
        if (cause := error.__cause__) is not None and (places := _places(cause)):
            logger.error(f"{type(cause).__name__}: {places}")
        channel.send_blocking(Loaded(sorted(files), error=str(error)))
        return None
    configure_logs(sys.stderr, module)
    return module


def _places(error: BaseException) -> str:
    """Where it came from. Its text and the lines of code may hold a key, and are not for the log.

    The text goes to the launcher, who knows what to blot out.
    """
    frames = traceback.extract_tb(error.__traceback__)
    within = [each for each in frames if Path(each.filename).is_file()]
    return ", ".join(f"{each.filename}:{each.lineno}" for each in within[1:])  # ours is the first


def server(name: str) -> Any:
    """The class of a session's server, by its module and name."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


def configure_logs(stream: TextIO, module: ModuleType | None) -> None:
    """Have all logs go to a stream, as the bot wants them, or without the values of variables."""
    configure: Callable[[TextIO], None] | None = getattr(module, "configure_logs", None)
    if configure is not None:
        configure(stream)
        return
    logger.remove()
    level = os.environ.get("LOGURU_LEVEL", "INFO")
    logger.add(stream, level=level, backtrace=False, diagnose=False, colorize=False)
    logging.basicConfig(stream=stream, level=logging.WARNING, force=True)


def _unmoved(*_: object) -> None:
    """The signal is for the launcher."""
