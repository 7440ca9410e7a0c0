"""A bot's file: loaded by its path, as a script is, and looked at again when it changes."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

Fingerprint = dict[str, tuple[int, int]]
"""Files with the time of their last change, in nanoseconds, and their size. -1: it is not there."""


class BotError(Exception):
    """The bot cannot be loaded. The text is a sentence for whoever wrote it.

    Attributes:
        files: Where in its folder the mistake may be, besides in its own file.
    """

    def __init__(self, why: str, files: Iterable[str] = ()) -> None:
        super().__init__(why)
        self.files = tuple(files)


def load(path: Path) -> ModuleType:
    """Load a bot and run its `preload()`, if it has one. Its folder comes first on `sys.path`.

    What it imports as `launcher`, `server` or `transports` is loaded by then, and ours.

    Raises:
        BotError
    """
    path = path.resolve()
    if not path.is_file():
        raise BotError(f"There is no file {path}.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BotError(f"{path.name} is no file of Python.")
    if path.stem in sys.modules:
        raise BotError(f"{path.name} is called as a module of others: rename it.")
    sys.path[: 0 if sys.flags.safe_path else 1] = [str(path.parent)]
    sys.argv[:] = [str(path)]
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not inspect.iscoroutinefunction(getattr(module, "bot", None)):
            raise BotError(f"{path.name} has no `async def bot(runner_args)`.")
        if (preload := getattr(module, "preload", None)) is not None:
            preload()
    except BotError:
        raise
    except SyntaxError as error:
        where = f"{Path(error.filename or path).name}, line {error.lineno}"
        raise BotError(f"{where}: {error.msg}.", _blamed(error, path)) from error
    except (Exception, SystemExit) as error:
        why = f"{path.name} cannot be loaded: {type(error).__name__}: {error}"
        raise BotError(why, _blamed(error, path)) from error
    return module


def files(path: Path) -> list[str]:
    """The bot's file, and those of its folder that were loaded with it. Not what is installed."""
    folder = path.resolve().parent
    found = {str(path.resolve())}
    for module in list(sys.modules.values()):
        if (file := getattr(module, "__file__", None)) and _is_own(file, folder):
            found.add(file)
    return sorted(found)


def fingerprint(files: Iterable[str]) -> Fingerprint:
    """How the files are now."""
    return {each: _stamp(each) for each in files}


def has_changed(version: Fingerprint) -> bool:
    """Whether one of the files is not as it was."""
    return fingerprint(version) != version


def loaded_version(files: Iterable[str], before: Fingerprint) -> Fingerprint:
    """The version that was loaded: a change while it was is one that comes after.

    Args:
        files: Those that were loaded.
        before: Files as they were before.
    """
    return {file: before.get(file, now) for file, now in fingerprint(files).items()}


def _stamp(file: str) -> tuple[int, int]:
    try:
        stat = os.stat(file)
    except OSError:
        return (-1, -1)
    return (stat.st_mtime_ns, stat.st_size)


def _blamed(error: BaseException, path: Path) -> list[str]:
    """Files of the bot's folder that an error went through: they are not among the modules."""
    named = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        named.append(error.filename)
    return sorted({each for each in named if _is_own(each, path.parent)})


def _is_own(file: str, folder: Path) -> bool:
    """Whether it is in the bot's folder, and not in an environment there."""
    return Path(file).is_relative_to(folder) and not Path(file).is_relative_to(sys.prefix)
