"""Puts the page, the tickets and the gate in front of an application."""

import os
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI

from .addresses import Addresses
from .callers import Callers, Nobody
from .gate import Gate
from .key import read_or_make_key, state_folder
from .offers import OFFER_PATH, Offers
from .page import page_paths, register_page
from .sessions import Sessions
from .start import SOCKET_PATH, START_PATH, StartTickets, Welcomes
from .tickets import Tickets
from .viewer import Viewer

READING = frozenset(("GET", "HEAD"))
ROUTES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(page_paths(), READING),
    START_PATH: frozenset(("POST",)),
    SOCKET_PATH: frozenset(("WEBSOCKET",)),
    OFFER_PATH: frozenset(("POST", "PATCH")),
}
"""Everything that can be reached at a bot, but for the file of a viewer."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What of an application can be reached, and by whom: see `Gate`."""

    routes: Mapping[str, frozenset[str]] = field(default_factory=lambda: ROUTES)
    callers: Callers = field(default_factory=Nobody)
    keyed: Set[str] = frozenset()
    called_back: Set[str] = frozenset()
    for_anybody: Set[str] = frozenset()
    living: Callable[[], Set[str]] | None = None


def tickets_of(session_secret: bytes | None) -> Tickets:
    """Tickets of this server, whose key is kept in a file where none is given.

    Raises:
        KeyFileError: The file with the key cannot be used.
    """
    return Tickets(session_secret or read_or_make_key(state_folder(os.environ)), now=time.time)


def open_door(
    app: FastAPI,
    *,
    page: Path,
    addresses: Addresses,
    transports: Mapping[str, str | None],
    session_secret: bytes | None = None,
    viewer: Viewer | None = None,
) -> Sessions:
    """Registers the page and closes everything else of Pipecat's application to strangers.

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
    tickets = tickets_of(session_secret)
    app.add_middleware(StartTickets, welcomes=Welcomes(tickets, transports))
    return close_off(app, Plan(), page=page, addresses=addresses, tickets=tickets, viewer=viewer)


def close_off(
    app: FastAPI,
    plan: Plan,
    *,
    page: Path,
    addresses: Addresses,
    tickets: Tickets,
    viewer: Viewer | None = None,
) -> Sessions:
    """Registers the page, and lets through what is planned; `open_door` tells the rest."""
    sessions = Sessions(share=plan.living is None)
    register_page(app, page, viewer)
    app.add_middleware(
        Offers, tickets=tickets, sessions=sessions, callers=plan.callers, living=plan.living
    )
    app.add_middleware(
        Gate,
        addresses=addresses,
        routes={**plan.routes, **({viewer.path: READING} if viewer else {})},
        tickets=tickets,
        sessions=sessions,
        rooms=viewer.rooms if viewer else (),
        callers=plan.callers,
        keyed=plan.keyed,
        called_back=plan.called_back,
        for_anybody=plan.for_anybody,
    )
    return sessions
