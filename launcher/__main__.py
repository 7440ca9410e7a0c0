"""The launcher, put together: `uv run -m launcher`. README.md says what it takes."""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import faces
import logs
import settings
from server import digital_human, viewer
from server.addresses import Addresses
from server.back_end import BackEnd
from server.bind import is_loopback, refuse_open_bind, refuse_taken_port
from server.door import tickets_of
from server.errors import ServerError
from server.key import state_folder
from server.start import Welcomes
from server.ways import obstacles

from . import machine, tenants
from .api import Api
from .command_line import parse
from .http_server import serve
from .life import Limits
from .local import LocalBackend
from .metrics import Metrics
from .processes import ProcessError, processes
from .reaper import Reaper
from .remote import Remote, RemoteError
from .running import Surroundings
from .session_log import SessionLogs
from .slots import Slots
from .zygote import Zygote

PAGE = Path(__file__).parents[1] / "web"


def main() -> None:
    """Do what the command line says; ends with a sentence where that cannot be."""
    options = parse(variables=[(each.name, each.takes) for each in settings.VARIABLES])
    try:
        match options.command:
            case "key":
                _key(options.name)
            case "start" | "list" | "stop" | "drain":
                _write(asyncio.run(_asked(options)), sys.stdout.write)
            case _:
                _serve(options)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except (
        settings.SettingsError,
        faces.FaceError,
        ServerError,
        ProcessError,
        RemoteError,
        tenants.TenantsError,
    ) as error:
        raise SystemExit(logs.redact(f"avatarbot: {error}")) from None


def _serve(options: argparse.Namespace) -> None:
    logs.configure(options.verbosity)
    config = settings.load()
    logs.configure(options.verbosity, secrets=config.secrets())
    if options.verbosity:  # sessions log as much
        os.environ["LOGURU_LEVEL"] = logs.LEVELS[min(options.verbosity, len(logs.LEVELS) - 1)][0]
    host, port = options.host, options.port
    refuse_open_bind(host, config.public_url, config.trusted_proxies)
    refuse_taken_port(host, port)
    asyncio.run(_live(options, config))


async def _live(options: argparse.Namespace, config: settings.Settings) -> None:
    metrics = Metrics()
    async with AsyncExitStack() as undo:
        # First of all: whatever else is wrong, what costs money ends.
        journal, accounts = faces.journal(config), faces.accounts(config)
        reaper = await undo.enter_async_context(Reaper(journal, accounts))
        with faces.journal_needed(config):
            await reaper.before_serving()
        known = tenants.read(config.tenants_file) if config.tenants_file else tenants.Tenants()
        tickets = tickets_of(config.session_secret)
        source = await processes(options.bot, options.mode, warm=options.warm)
        undo.push_async_callback(source.close)
        if isinstance(source, Zygote):
            metrics.watch_zygote(lambda: source.age_s)
        backend = LocalBackend(
            Surroundings(
                processes=source,
                logs=SessionLogs(options.log_folder or state_folder(os.environ) / "logs"),
                tickets=lambda session, tenant: tickets.issue(session=session, tenant=tenant),
                slots=Slots(journal, accounts),
                reaper=reaper,
                witness=metrics,
                patience_s=options.wait_s,
            ),
            most=options.max_sessions or config.max_sessions,
            limits=Limits(
                longest_s=config.max_session_seconds,
                memory_mb=options.max_memory_mb or math.inf,
            ),
        )
        undo.push_async_callback(backend.close)
        back_end = _back_end(config)
        ways = obstacles(lambda name: getattr(config, name.lower()), command="-m launcher")
        addresses = Addresses.of(options.host, options.port, config.public_url)
        is_alone = not (config.public_url or config.trusted_proxies or known.are_given)
        await serve(
            Api(
                backend,
                known,
                Welcomes(tickets, ways, answers=back_end is not None),
                metrics,
                machine.ThisMachine(tickets, is_alone=is_alone),
                longest_s=config.max_session_seconds,
                figures=reaper.figures,
                back_end=back_end,
            ),
            options.host,
            options.port,
            page=PAGE,
            addresses=addresses,
            tickets=tickets,
            drain=partial(backend.drain, options.drain_s),
            viewer=viewer.if_installed(
                PAGE, faces.viewer(config), faces.api_url(config), faces.room_url(config)
            ),
            trusted_proxies=config.trusted_proxies,
            opened=partial(_announce, addresses),
        )


def _back_end(config: settings.Settings) -> BackEnd | None:
    """What sessions answer; here it is only described."""
    desk = faces.desk(config)
    if desk is None:
        return None
    agents = config.avatar in faces.AGENTS
    return digital_human.back_end(desk, faces.signed(config), agents=agents)


def _announce(addresses: Addresses) -> None:
    _write(f"avatarbot is at {addresses.origins[0]} (Ctrl-C ends it)", sys.stdout.write)


async def _asked(options: argparse.Namespace) -> str:
    say = partial(_write, write=sys.stderr.write)
    key = os.environ.get("LAUNCHER_KEY")
    prove: Callable[[], dict[str, str]] = dict
    if not key and is_loopback(urlsplit(options.url).hostname or ""):
        prove = partial(machine.proof, tickets_of(settings.load().session_secret))
    remote = Remote(options.url, key, prove=prove, say=say)
    match options.command:
        case "start":
            return await remote.start(options.transport)
        case "list":
            return await remote.list()
        case "stop":
            return await remote.stop(options.session)
        case _:
            return await remote.drain()


def _key(name: str) -> None:
    key = tenants.new_key()
    lines = (
        f"{key}\n",
        "This is the key; it is shown this once. In the file of tenants (TENANTS_FILE):\n",
        f'[[tenant]]\nname = "{name}"\nkey_sha256 = ["{tenants.hash_of(key)}"]',
    )
    _write("\n".join(lines), sys.stdout.write)


def _write(text: str, write: Callable[[str], object]) -> None:
    write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
