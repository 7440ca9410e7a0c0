"""The zygote: loads the bot, and forks a process for each session.

`python -m launcher.zygote_process --bot PATH --channel FD --parent PID --server MODULE:CLASS`

It has one thread and no event loop, so that a copy of it lacks nothing. It is the parent of all
its sessions and of what they leave behind: it says how they ended, kills what they have started,
and they die with it.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from loguru import logger

from . import bot_file, guard, kernel, loading, session_process
from .channel import Channel, ChannelClosed, MalformedMessage
from .messages import Exited, Fork, Forked, Loaded, NotForked
from .rehearsal import rehearse
from .session_process import Server


def main() -> None:
    """Load the bot, say so, and fork until the launcher hangs up."""
    options, channel = loading.begin()
    kernel.adopt_orphans()
    before = guard.open_files()
    server = loading.server(options.server)
    module = loading.load(options.bot, channel)
    if module is None:
        raise SystemExit(1)
    obstacle, warning = guard.obstacle(before), None
    if obstacle is None and not options.unrehearsed:
        late, warning = rehearse(module)
        _import(late)
        if guard.obstacle(before):  # what it imports late cannot be forked: begin again, without
            os.set_inheritable(channel.fileno(), True)
            os.execv(sys.executable, [*sys.orig_argv, "--unrehearsed"])
    gc.collect()
    gc.freeze()  # a collection in a copy would write to pages that are shared
    channel.send_blocking(Loaded(bot_file.files(options.bot), obstacle=obstacle, warning=warning))
    if obstacle is None:
        _Zygote(channel, module, server).live()


def _import(names: list[str]) -> None:
    for name in names:
        try:
            import_module(name)
        except Exception as error:  # noqa: BLE001 - a session will import it, or say what is wrong
            logger.debug(f"{name} is imported late only: {type(error).__name__}")


class _Zygote:
    """Forks, and buries."""

    def __init__(self, channel: Channel, module: ModuleType, server: type[Server]) -> None:
        self._channel = channel
        self._module = module
        self._server = server
        self._sessions: set[int] = set()
        # A signal that ends poll(): a byte in a pipe.
        self._woken, self._wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)

    def live(self) -> None:
        """Until the launcher hangs up."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        poll.register(self._channel, select.POLLIN)
        self._bury()
        with suppress(ChannelClosed):
            while True:
                ready = {number for number, _ in poll.poll()}
                if self._woken in ready:
                    os.read(self._woken, 4096)
                    self._bury()
                if self._channel.fileno() in ready:
                    self._obey()

    def _obey(self) -> None:
        try:
            message, files = self._channel.receive_blocking()
        except MalformedMessage as error:
            logger.error(f"the launcher is not understood: {error}")
            return
        match message, files:
            case Fork(), [end]:
                self._fork(end)
            case _:
                logger.error(f"the launcher says {type(message).__name__}, which is not expected")
        for each in files:
            os.close(each)

    def _fork(self, end: int) -> None:
        zygote = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._channel.send_blocking(NotForked(str(error)))
            return
        if not pid:
            self._be_session(end, zygote)
        self._sessions.add(pid)
        pidfd = os.pidfd_open(pid)
        try:
            self._channel.send_blocking(Forked(pid), pidfd)
        finally:
            os.close(pidfd)

    def _be_session(self, end: int, zygote: int) -> NoReturn:
        """The copy. What the zygote has to do at its own end is not for it: it never returns."""
        code = 1
        try:
            kernel.die_with(zygote)
            os.setsid()
            kernel.adopt_orphans()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(self._woken)
            os.close(self._wakes)
            self._channel.close()
            if numpy := sys.modules.get("numpy"):
                numpy.random.seed()  # Python's own `random` does so by itself
            code = session_process.run(
                Channel(socket.socket(fileno=end)), self._module, self._server
            )
        finally:
            os._exit(code)

    def _bury(self) -> None:
        """Tell of sessions that have ended, and kill what they have started."""
        while (pid := _dead()) is not None:
            # Before it is buried: up to then its number, which is also its group's, is not reused.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            if pid in self._sessions:
                self._sessions.remove(pid)
                self._channel.send_blocking(Exited(pid, os.waitstatus_to_exitcode(status)))
        # A living session adopts its own orphans, so these are of one that is dead. Each of them
        # that dies ends poll() again, and has left its own children here by then.
        for pid in _children() - self._sessions:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _children() -> set[int]:
    """The numbers of all children. Some kernels do not tell."""
    with suppress(FileNotFoundError):
        return {*map(int, Path("/proc/thread-self/children").read_text().split())}
    return set()


def _dead() -> int | None:
    """The number of a child that has ended and is not buried yet."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found else None


if __name__ == "__main__":
    main()
