"""Starts Pipecat's runner behind the door, with what it would print and allow by itself preset."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any, TextIO

import uvicorn
import uvicorn.config
from fastapi import APIRouter, FastAPI

from .addresses import Addresses
from .back_end import BackEnd
from .bind import Network, is_loopback, refuse_open_bind, refuse_taken_port
from .door import open_door
from .noise import hush
from .presets import PRESETS
from .proxies import Proxies
from .sessions import Sessions
from .tls import TlsFiles, check
from .viewer import Viewer

GRACE_S = 0.7
"""What a session gets to end by itself when the process is told to stop."""


def serve(
    host: str,
    port: int,
    *,
    page: Path,
    transports: Mapping[str, str | None] = MappingProxyType({"websocket": None}),
    public_url: str | None = None,
    session_secret: bytes | None = None,
    tls: TlsFiles | None = None,
    trusted_proxies: Sequence[Network] = (),
    max_sessions: int = 20,
    viewer: Viewer | None = None,
    back_end: BackEnd | None = None,
    router: APIRouter | None = None,
    opened: Callable[[], None] = lambda: None,
) -> None:
    """Serves the page and, per WebSocket, the `bot` function of `__main__`; returns on Ctrl-C.

    Do not import `pipecat.runner.run` before: its import loads `.env` over the environment.

    Args:
        host: A loopback name or address; another one only for trusted proxies.
        port: TCP port.
        page: The folder with the page's files.
        transports: Ways to reach the bot, by Pipecat's names, each with a sentence where it cannot
            be had.
        public_url: Origin of a proxy in front.
        session_secret: 256-bit key of the tickets; by default it is kept in a file.
        tls: Certificate and key to serve HTTPS with.
        trusted_proxies: Whose word about the person is believed, and who may connect to a host
            that is not loopback.
        max_sessions: How many conversations may go on at once.
        viewer: What the page shows a vendor's face with, where a vendor has one.
        back_end: What that wants answered besides.
        router: What the bot answers itself, of what `door.CALLED_BACK` lists.
        opened: Called in the event loop once Pipecat has configured the process: the place to
            configure the logs again.

    Raises:
        ServerError: The address, the certificate, the key or the page cannot be used; the text
            says what to do.
    """
    refuse_open_bind(host, public_url, trusted_proxies)
    if tls:
        check(tls)
    refuse_taken_port(host, port)
    app, main = _pipecat()
    addresses = Addresses.of(host, port, public_url, tls=tls is not None)
    sessions = open_door(
        app,
        page=page,
        addresses=addresses,
        transports=transports,
        session_secret=session_secret,
        viewer=viewer,
        back_end=back_end,
        router=router,
    )
    sessions.most = max_sessions
    app.add_middleware(Proxies, trusted=trusted_proxies, only_trusted=not is_loopback(host))
    sys.argv[1:] = _runner_arguments(host, port, addresses)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as banner:
        stdout = sys.stdout
        banner.enter_context(redirect_stdout(io.StringIO()))

        def started() -> None:
            banner.close()
            opened()
            _bound_the_end(sessions)

        _on_startup(app, started, lambda: _announce(host, port, addresses, stdout))
        banner.enter_context(_preset_uvicorn(tls))
        main()


def _pipecat() -> tuple[FastAPI, Callable[[], None]]:
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    os.environ.pop("WEB_CONCURRENCY", None)  # uvicorn cannot have several workers here
    from pipecat.runner.run import app, main

    with suppress(ImportError):
        # It logs as it is imported. Pipecat's `main()` would do that under its own logging.
        import pipecat.transports.smallwebrtc.connection  # noqa: F401

    # What uvicorn would set up for its own loggers: without it they use the process's.
    uvicorn.config.LOGGING_CONFIG["handlers"] = {}
    uvicorn.config.LOGGING_CONFIG["loggers"] = {}
    hush()
    return app, main


@contextmanager
def _preset_uvicorn(tls: TlsFiles | None) -> Iterator[None]:
    """Pipecat's `main()` gives uvicorn an address and nothing else."""
    run = uvicorn.run
    uvicorn.run = partial(
        run,
        **PRESETS,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    try:
        yield
    finally:
        uvicorn.run = run


def _runner_arguments(host: str, port: int, addresses: Addresses) -> list[str]:
    """Everything that the environment could set otherwise is said explicitly."""
    return [
        *("--host", host, "--port", str(port)),
        *("--ws-auth", "none"),  # the gate takes tickets of ours
        "--uploads-folder=",
        "--ice-servers",
        *("--allowed-origins", *addresses.origins),
    ]


def _on_startup(app: FastAPI, started: Callable[[], None], announce: Callable[[], Any]) -> None:
    lifespan = app.router.lifespan_context

    @asynccontextmanager
    async def longer_lifespan(app: FastAPI) -> AsyncIterator[Any]:
        async with lifespan(app) as state:
            started()
            announcing = asyncio.create_task(announce(), name="announce the address")
            yield state
            announcing.cancel()

    app.router.lifespan_context = longer_lifespan


async def _announce(host: str, port: int, addresses: Addresses, stdout: TextIO) -> None:
    """Prints the address as soon as something answers there: uvicorn binds after its startup."""
    while True:
        try:
            _, writer = await asyncio.open_connection(host.strip("[]"), port)
        except ConnectionError:
            await asyncio.sleep(0.01)
        else:
            break
    writer.close()
    print(f"avatarbot is at {addresses.origins[0]} (Ctrl-C ends it)", file=stdout, flush=True)


def _bound_the_end(sessions: Sessions) -> None:
    """Cancels sessions that do not end by themselves, for which uvicorn would wait forever."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.getsignal(number)

        def stop(number: int, frame: FrameType | None, before: Any = before) -> None:
            if callable(before):
                before(number, frame)
            loop.call_soon_threadsafe(loop.call_later, GRACE_S, sessions.cancel)

        signal.signal(number, stop)
