"""Puts the page, the tickets and the gate in front of an application."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI

from .addresses import Addresses
from .gate import Gate
from .key import read_or_make_key, state_folder
from .offers import OFFER_PATH, Offers
from .page import page_paths, register_page
from .sessions import Sessions
from .start import SOCKET_PATH, START_PATH, StartTickets
from .tickets import Tickets
from .viewer import Viewer

READING = frozenset(("GET", "HEAD"))
ROUTES = {
    **dict.fromkeys(page_paths(), READING),
    START_PATH: frozenset(("POST",)),
    SOCKET_PATH: frozenset(("WEBSOCKET",)),
    OFFER_PATH: frozenset(("POST", "PATCH")),
}
"""Everything that can be reached, but for the file of a viewer."""


def open_door(
    app: FastAPI,
    *,
    page: Path,
    addresses: Addresses,
    transports: Mapping[str, str | None],
    session_secret: bytes | None = None,
    viewer: Viewer | None = None,
) -> Sessions:
    """Registers the page and closes everything else of the application to strangers.

    Call it before Pipecat's `main()`: routes that come first win, and its middleware, which comes
    later, then stands outside and does nothing but CORS.

    Args:
        app: Pipecat's application.
        page: The folder with the page's files.
        addresses: Our own origins.
        transports: Ways to reach the bot, each with a sentence where it cannot be had.
        session_secret: The 256-bit key of the tickets; by default it is kept in a file.
        viewer: What the page shows a vendor's face with.

    Returns:
        The open sessions, which fill as people connect.

    Raises:
        PageError: A file of the page, or of the viewer, cannot be served.
        KeyFileError: The file with the key cannot be used.
    """
    key = session_secret or read_or_make_key(state_folder(os.environ))
    tickets, sessions = Tickets(key, now=time.time), Sessions()
    register_page(app, page, viewer)
    app.add_middleware(StartTickets, tickets=tickets, transports=transports)
    app.add_middleware(Offers, tickets=tickets, sessions=sessions)
    app.add_middleware(
        Gate,
        addresses=addresses,
        routes=ROUTES | ({viewer.path: READING} if viewer else {}),
        tickets=tickets,
        sessions=sessions,
        rooms=viewer.rooms if viewer else (),
    )
    return sessions
