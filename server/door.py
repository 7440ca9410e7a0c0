"""Puts the page, the tickets and the gate in front of an application."""

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fastapi import APIRouter, FastAPI

from .addresses import Addresses
from .back_end import BackEnd
from .completions import COMPLETIONS_PATH
from .gate import Gate
from .key import read_or_make_key, state_folder
from .offers import OFFER_PATH, Offers
from .page import page_paths, register_page
from .plan import READING, Plan
from .sessions import Sessions
from .start import SOCKET_PATH, START_PATH, StartTickets, Welcomes
from .tickets import Tickets
from .viewer import Viewer

ROUTES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(page_paths(), READING),
    START_PATH: frozenset(("POST",)),
    SOCKET_PATH: frozenset(("WEBSOCKET",)),
    OFFER_PATH: frozenset(("POST", "PATCH")),
}
"""Everything that can be reached at a bot, but for the file of a viewer."""

CALLED_BACK: Mapping[str, frozenset[str]] = {COMPLETIONS_PATH: frozenset(("POST",))}
"""What servers ask a bot that runs alone. Behind a launcher they ask the session's process."""


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
    back_end: BackEnd | None = None,
    router: APIRouter | None = None,
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
        back_end: What that wants answered besides.
        router: What the bot answers itself, of what `CALLED_BACK` lists.

    Returns:
        The open sessions, which fill as people connect.

    Raises:
        PageError: A file of the page, or of the viewer, cannot be served.
        KeyFileError: The file with the key cannot be used.
    """
    tickets = tickets_of(session_secret)
    app.add_middleware(
        StartTickets, welcomes=Welcomes(tickets, transports, answers=back_end is not None)
    )
    plan = Plan({**ROUTES, **CALLED_BACK}, called_back=frozenset(CALLED_BACK))
    if router:
        app.include_router(router)
    if back_end:
        plan = back_end.added_to(plan)
        for each in back_end.routers:
            app.include_router(each)
    return close_off(app, plan, page=page, addresses=addresses, tickets=tickets, viewer=viewer)


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
    if viewer:
        plan = replace(plan, routes={**plan.routes, viewer.path: READING})
    app.add_middleware(Offers, plan=plan, tickets=tickets, sessions=sessions)
    app.add_middleware(
        Gate,
        plan=plan,
        addresses=addresses,
        tickets=tickets,
        sessions=sessions,
        rooms=viewer.rooms if viewer else (),
    )
    return sessions
