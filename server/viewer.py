"""What the page needs besides its own files to show a vendor's face.

The vendor's room is played with the vendor's own kind of client, which comes from npm and is not
part of this repository. It is served from here like the page itself: this file and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from loguru import logger

from .bind import is_loopback
from .errors import ViewerError

LIVEKIT_PATH = "/assets/livekit-client.js"
"""Where the page asks for LiveKit's client."""

_LIVEKIT = "livekit-client/dist/livekit-client.esm.mjs"
_LIVEKIT_CLOUD = ("wss://*.livekit.cloud", "https://*.livekit.cloud")
_THIS_MACHINE = tuple(
    f"{scheme}://{host}:*" for host in ("127.0.0.1", "localhost") for scheme in ("ws", "http")
)


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


def livekit(page: Path, api_url: str) -> Viewer:
    """Returns the viewer of rooms in LiveKit's cloud.

    Args:
        page: The folder with the page's files; npm installs into its folder `viewer`.
        api_url: The vendor's API. One on this machine is an emulator, whose room is here too.

    Raises:
        ViewerError: It is not installed.
    """
    folder = page / "viewer"
    file = folder / "node_modules" / _LIVEKIT
    if not file.is_file():
        command = f"npm ci --prefix {_shortest(folder)}"
        raise ViewerError(f"The page needs livekit-client to show the avatar: run `{command}`.")
    is_here = is_loopback(urlsplit(api_url).hostname or "")
    rooms = (*_LIVEKIT_CLOUD, *(_THIS_MACHINE if is_here else ()))
    return Viewer(LIVEKIT_PATH, file, rooms)


def if_installed(page: Path, api_url: str | None) -> Viewer | None:
    """The viewer of a vendor's face, or None: other clients may bring their own.

    Args:
        page: The folder with the page's files.
        api_url: The vendor's API; None where the page draws the face.
    """
    if api_url is None:
        return None
    try:
        return livekit(page, api_url)
    except ViewerError as error:
        logger.warning(f"{error} Until then it draws its own face, and the vendor's costs in vain.")
        return None


def _shortest(folder: Path) -> Path:
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
