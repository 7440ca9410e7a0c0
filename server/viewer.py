"""What the page needs besides its own files to show a vendor's face.

The vendor's room is played with the vendor's own kind of client, which comes from npm and is not
part of this repository. It is served from here like the page itself: this file and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from loguru import logger

from .bind import is_loopback
from .errors import ViewerError

_THIS_MACHINE = tuple(
    f"{scheme}://{host}:*" for host in ("127.0.0.1", "localhost") for scheme in ("ws", "http")
)


@dataclass(frozen=True, slots=True)
class Client:
    """What plays one kind of room.

    Attributes:
        package: What npm calls it.
        path: Where the page asks for it.
        file: Where it is in npm's folder.
        rooms: Where it may connect to, as a content security policy writes it.
        emulated: Whether an emulator of the vendor has such rooms.
    """

    package: str
    path: str
    file: str
    rooms: tuple[str, ...]
    emulated: bool = False


CLIENTS: Mapping[str, Client] = {
    "livekit": Client(
        "livekit-client",
        "/assets/livekit-client.js",
        "livekit-client/dist/livekit-client.esm.mjs",
        ("wss://*.livekit.cloud", "https://*.livekit.cloud"),
        emulated=True,
    ),
    # One file of several packages, which npm's `postinstall` makes. docs/decisions/0013 tells where
    # the domains are from, and what it asks of the policy that it does not get.
    "zego": Client(
        "zego-express-engine-webrtc",
        "/assets/zego-express-engine.js",
        ".viewer/zego-express-engine.js",
        (
            "wss://*.zego.im",
            "wss://*.zegocloud.com",
            "wss://*.coolbcloud.com",
            "wss://*.coolfcloud.com",
            "wss://*.coolgcloud.com",
            "wss://*.coolzcloud.com",
        ),
    ),
}
"""By the kind of room that a vendor's face is in."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """A vendor's client for the browser.

    Attributes:
        path: Where the page asks for it.
        file: Where npm has put it.
        rooms: Where it may connect to, as a content security policy writes it.
    """

    path: str
    file: Path
    rooms: tuple[str, ...]


def installed(page: Path, kind: str, api_url: str, room_url: str = "") -> Viewer:
    """Returns the viewer of one kind of room.

    Args:
        page: The folder with the page's files; npm installs into its folder `viewer`.
        kind: One of `CLIENTS`.
        api_url: The vendor's API. One on this machine is an emulator, whose room is here too.
        room_url: Where the room is, where it is not at one of the vendor's usual addresses.

    Raises:
        ViewerError: It is not installed.
    """
    client = CLIENTS[kind]
    folder = page / "viewer"
    file = folder / "node_modules" / client.file
    if not file.is_file():
        command = f"npm ci --prefix {_shortest(folder)}"
        raise ViewerError(f"The page needs {client.package} to show the avatar: run `{command}`.")
    is_here = client.emulated and is_loopback(urlsplit(api_url).hostname or "")
    host = urlsplit(room_url).netloc
    named = (f"wss://{host}", f"https://{host}") if host else ()
    return Viewer(client.path, file, (*client.rooms, *named, *(_THIS_MACHINE if is_here else ())))


def if_installed(
    page: Path, kind: str | None, api_url: str | None, room_url: str = ""
) -> Viewer | None:
    """The viewer of a vendor's face, or None: other clients may bring their own.

    Args:
        page: The folder with the page's files.
        kind: The kind of room that the face is in; None where the page draws it.
        api_url: The vendor's API; None where the page draws the face.
        room_url: Where the room is, where it is not at one of the vendor's usual addresses.
    """
    if kind is None or api_url is None:
        return None
    try:
        return installed(page, kind, api_url, room_url)
    except ViewerError as error:
        logger.warning(
            f"{error} Then start again: until then it is neither seen nor heard there, and costs"
            " in vain."
        )
        return None


def _shortest(folder: Path) -> Path:
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
