"""Whom the contract is asked of: a row makes a vendor, and its side of the wire.

A vendor's side tells what it heard in the words of `Side`. The emulators do so; for the built-in
face, which has no emulator, `Page` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest

from emulators.heygen import Emulator
from emulators.heygen import serve as heygen
from emulators.playback import Said
from emulators.record import Interruption
from tests.emulated.contract.page import page
from tests.emulated.contract.zego import zego, zego_vendor
from transports.avatar.journal import Journal
from transports.avatar.vendor import Vendor
from transports.heygen import AlphaVendor, InteractiveVendor, LiveAvatarVendor
from transports.local import LocalVendor


class Side(Protocol):
    """What a vendor's side knows of the only session that it has."""

    def heard(self) -> list[Said]:
        """What was heard up to now, by utterance; nothing where there is no session yet."""

    def interruptions(self) -> list[Interruption]:
        """What it was told to forget."""

    def running(self) -> Sequence[object]:
        """The sessions that cost money now."""

    async def until(self, holds: Callable[[], Any], timeout_s: float = 5.0) -> None:
        """Returns when something holds that is told to this side."""

    async def hears(self, seconds: float, *, timeout_s: float = 10.0) -> None:
        """Returns when so much was heard."""


@dataclass(frozen=True)
class Row:
    """A vendor, in one of its dialects.

    Attributes:
        name: In the name of the test.
        serve: Its side of the wire; takes knobs.
        vendor: Makes ours, for that side, with a folder for its journal.
        calls: What opens and closes a session, in order.
        end: The message that ends an utterance, if it has one.
        interrupt: The message that interrupts.
        edge_s: For so long we may not know that the last sample was heard, or believe it too soon:
            then an interrupt and none are both right. In seconds.
        noted: What the journal names one of its sessions.
        tells: Whether it tells what was heard; else the model says so, in real time.
        stays: Whether a connection that is lost between utterances is made again, unnoticed.
    """

    name: str
    serve: Callable[..., AbstractAsyncContextManager[Any]]
    vendor: Callable[[Any, Path], Vendor]
    calls: tuple[str, ...] = ()
    end: str | None = None
    interrupt: str | None = None
    edge_s: float = 0.03
    noted: Callable[[Any], str] = lambda session: session.id
    tells: bool = True
    stays: bool = False


def _heygen(make: Callable[..., Vendor], service: str, emulator: Emulator, folder: Path) -> Vendor:
    return make(
        api_key=emulator.key(service),  # type: ignore[arg-type]
        avatar_id="1c690fe7-23e0-49f9-bfba-14344450285b",
        api_url=emulator.url,
        journal=Journal(folder),
    )


def _lite(dialect: str) -> Row:
    return Row(
        f"LiveAvatar-{dialect}",
        partial(heygen, dialect=dialect),
        partial(_heygen, LiveAvatarVendor, "liveavatar"),
        ("token", "start", "stop"),
        "agent.speak_end",
        "agent.interrupt",
    )


def _streaming(make: Callable[..., Vendor], end: str | None, edge_s: float) -> Row:
    return Row(
        make.__name__.removesuffix("Vendor"),
        heygen,
        partial(_heygen, make, "interactive"),
        ("streaming.new", "streaming.start", "streaming.stop"),
        end,
        "agent.interrupt",
        edge_s,
    )


def _zego(name: str, edge_s: float, *, tells: bool) -> Row:
    return Row(
        name,
        partial(zego, tells=tells),
        zego_vendor,
        ("CreateDigitalHumanStreamTask", "DriveByWsStream", "StopDigitalHumanStreamTask"),
        "Stop",
        "InterruptDriveTask",
        edge_s,
        noted=lambda task: task.terms.stream,
        tells=tells,
        stays=True,
    )


LITE, INTERACTIVE, ALPHA = (
    _lite("S"),
    _streaming(InteractiveVendor, "agent.speak_end", 0.03),
    _streaming(AlphaVendor, None, 0.15),
)
ZEGO = _zego("zego", 0.03, tells=True)
ZEGO_SILENT = _zego("zego-silent", 0.15, tells=False)
REMOTE = [LITE, _lite("S-no-speak"), _lite("T"), INTERACTIVE, ALPHA, ZEGO, ZEGO_SILENT]
LOCAL = Row("local", page, lambda _, __: LocalVendor(), edge_s=0.15)


def _each(rows: list[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.name)


ROWS = [*REMOTE, LOCAL]
EVERY = _each(ROWS)
OVER_A_SOCKET = _each(REMOTE)
CONTROLLED = _each([row for row in REMOTE if not row.stays])
"""Those with a control socket, over which they tell and are told."""
DRIVEN = _each([ZEGO, ZEGO_SILENT])
"""Those with a socket that takes speech and says nothing."""
BY_REST = _each([LITE, INTERACTIVE, ZEGO])
"""What opens and closes a session is the same in all dialects of a service, alpha's included."""
