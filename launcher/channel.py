"""A pair of sockets between launcher and process: messages, with open files beside them.

A message is one datagram, so it comes whole or not at all, and the end of the other side is
seen. Nothing here needs a thread; the blocking calls need no event loop either.

ChannelError
├── ChannelClosed     the other side is gone, or does not read any more
├── MessageTooLarge   it does not fit into a datagram
└── MalformedMessage  what came cannot be understood; the channel goes on
"""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import json
import os
import select
import socket
import sys
from array import array
from collections import deque
from contextlib import suppress
from typing import Any, Protocol

from . import messages

LARGEST = 256 * 1024
"""Bytes of a message. The head of a request is at most 64 KB, and twice that in UTF-8."""

MOST_WAITING = 256
"""Messages that wait for the other side to read; it is given up with the next one."""

MOST_FILES = 4

# What keeps datagrams apart and tells of the other side's end as well is for Linux alone.
_KIND = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM
_CLOSE_ON_EXEC: int = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_TYPES: dict[str, type[Any]] = {
    name: each
    for name, each in vars(messages).items()
    if isinstance(each, type) and dataclasses.is_dataclass(each)
}


class ChannelError(Exception):
    """The channel cannot do what it is asked."""


class ChannelClosed(ChannelError):
    """The other side is gone, or does not read any more; or the channel was closed here."""


class MessageTooLarge(ChannelError):
    """The message does not fit into a datagram."""


class MalformedMessage(ChannelError):
    """What came cannot be understood. The files that came beside it are closed."""


class HasFileno(Protocol):
    """An open file, or a socket."""

    def fileno(self) -> int: ...


class Channel:
    """One end.

    Args:
        end: A connected socket; it is the channel's from here on. Programs that this process
            starts do not inherit it.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        end.set_inheritable(False)
        with suppress(OSError):  # what the system has by itself is enough for nearly all
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * LARGEST)
        self._end = end
        self._waiting: deque[tuple[bytes, list[int]]] = deque()
        self._reading: asyncio.Future[None] | None = None

    @classmethod
    def pair(cls) -> tuple[Channel, socket.socket]:
        """Our end, and the other one, to be given to a process and closed here."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, _KIND)
        return cls(ours), theirs

    def fileno(self) -> int:
        """The number of its socket; -1 when it is closed."""
        return self._end.fileno()

    def send(self, message: Any, *files: int | HasFileno) -> None:
        """Send, at once or as soon as the other side has room. The files are still the caller's.

        Raises:
            ChannelClosed
            MessageTooLarge
        """
        data, numbers = _encode(message), [_number(each) for each in files]
        if self._waiting or not self._send_now(data, numbers):
            if len(self._waiting) >= MOST_WAITING:
                raise ChannelClosed("the other side does not read")
            if not self._waiting:
                asyncio.get_running_loop().add_writer(self._end, self._send_waiting)
            self._waiting.append((data, [os.dup(each) for each in numbers]))

    def send_blocking(self, message: Any, *files: int | HasFileno) -> None:
        """Send, without an event loop.

        Raises:
            ChannelClosed
            MessageTooLarge
        """
        data, numbers = _encode(message), [_number(each) for each in files]
        while not self._send_now(data, numbers):
            self._wait(select.POLLOUT)

    async def receive(self) -> tuple[Any, list[int]]:
        """The next message, with the files beside it, which belong to the caller.

        Raises:
            ChannelClosed
            MalformedMessage
        """
        loop = asyncio.get_running_loop()
        while (received := self._receive_now()) is None:
            assert self._reading is None, "one at a time"
            self._reading = loop.create_future()
            loop.add_reader(self._end, _wake, self._reading)
            try:
                await self._reading
            finally:
                self._reading = None
                if self.fileno() >= 0:
                    loop.remove_reader(self._end)
        return received

    def receive_blocking(self) -> tuple[Any, list[int]]:
        """The next message, without an event loop.

        Raises:
            ChannelClosed
            MalformedMessage
        """
        while (received := self._receive_now()) is None:
            self._wait(select.POLLIN)
        return received

    def close(self) -> None:
        """Close it. Whoever receives from it is told; what waits to be sent is lost."""
        if self.fileno() < 0:
            return
        if self._reading is not None:
            self._reading.get_loop().remove_reader(self._end)
            _wake(self._reading)
        self._give_up()
        self._end.close()

    def _send_now(self, data: bytes, files: list[int]) -> bool:
        try:
            socket.send_fds(self._end, [data], files)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                raise MessageTooLarge(f"{len(data)} bytes") from error
            raise ChannelClosed("the other side is gone") from error
        return True

    def _send_waiting(self) -> None:
        """The other side has room."""
        try:
            while self._waiting and self._send_now(*self._waiting[0]):
                _close(self._waiting.popleft()[1])
        except ChannelError:  # whoever receives is told
            self._give_up()
        else:
            if not self._waiting:
                asyncio.get_running_loop().remove_writer(self._end)

    def _give_up(self) -> None:
        if self._waiting:
            asyncio.get_running_loop().remove_writer(self._end)
        while self._waiting:
            _close(self._waiting.popleft()[1])

    def _receive_now(self) -> tuple[Any, list[int]] | None:
        numbers = array("i")
        room = socket.CMSG_LEN(MOST_FILES * numbers.itemsize)
        try:
            # Not socket.recv_fds, which does not hand its flags on (Python 3.11).
            data, beside, flags, _ = self._end.recvmsg(LARGEST, room, _CLOSE_ON_EXEC)
        except BlockingIOError:
            return None
        except OSError as error:
            raise ChannelClosed("the other side is gone") from error
        for _, kind, content in beside:
            if kind == socket.SCM_RIGHTS:
                numbers.frombytes(content[: len(content) // numbers.itemsize * numbers.itemsize])
        files = numbers.tolist()
        if not data:
            _close(files)
            raise ChannelClosed("the other side is gone")
        try:
            if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                raise MalformedMessage("it came in part")
            return _decode(data), files
        except MalformedMessage:
            _close(files)
            raise

    def _wait(self, what: int) -> None:
        waiting = select.poll()
        waiting.register(self._end, what)
        waiting.poll()


def _encode(message: Any) -> bytes:
    fields = {each.name: getattr(message, each.name) for each in dataclasses.fields(message)}
    text = json.dumps({"type": type(message).__name__} | fields, ensure_ascii=False)
    data = text.encode(errors="surrogatepass")
    if len(data) > LARGEST:
        raise MessageTooLarge(f"{type(message).__name__} has {len(data)} bytes of {LARGEST}")
    return data


def _decode(data: bytes) -> Any:
    try:
        fields = json.loads(data.decode(errors="surrogatepass"))
        return _TYPES[fields.pop("type")](**fields)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        raise MalformedMessage(f"{len(data)} bytes are no message") from None  # they may be secret


def _number(file: int | HasFileno) -> int:
    return file if isinstance(file, int) else file.fileno()


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _close(files: list[int]) -> None:
    for each in files:
        os.close(each)
