"""What can be asked of the launcher on a command line: to serve, or something of one that does."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

URL = "http://localhost:7860"

_EPILOG = """\
without a command it serves: `serve --help` tells how. Others ask a launcher that runs; where it has
tenants, LAUNCHER_KEY is the key of one of them, and for `drain` of an administrator.

settings, from the environment or the file .env:
"""


def parse(
    arguments: Sequence[str] | None = None, *, variables: Iterable[tuple[str, str]]
) -> argparse.Namespace:
    """Reads the command line, or prints help and leaves.

    Args:
        arguments: The words after the program's name; by default this process's.
        variables: Names of environment variables, each with what it takes, for the help.
    """
    listed = "\n".join(f"  {name:<20} {takes}" for name, takes in variables)
    parser = argparse.ArgumentParser(
        prog="python -m launcher",
        description="Starts one process per conversation, and ends what it leaves behind.",
        epilog=_EPILOG + listed,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _serving(commands.add_parser("serve", help="serve, as without a command"))
    start = commands.add_parser("start", help="begin a session, and print the way in")
    start.add_argument("--transport", default="websocket", help="how to come to it (%(default)s)")
    listing = commands.add_parser("list", help="show the sessions that there are")
    stop = commands.add_parser("stop", help="end a session in order, and wait until it is gone")
    stop.add_argument("session", metavar="ID")
    drain = commands.add_parser("drain", help="have it begin no more, and end with the last one")
    for each in (start, listing, stop, drain):
        each.add_argument("--url", default=URL, help="where the launcher is (%(default)s)")
    key = commands.add_parser("key", help="make a key for a tenant, and print it this once")
    key.add_argument("name", metavar="NAME")
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given.insert(0, "serve")
    return parser.parse_args(given)


def _serving(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", default="localhost", help="where to listen, on this machine (%(default)s)")
    add("--port", type=_number(1, 65_535), default=7860, help="the port (%(default)s)")
    add("--bot", type=Path, default=Path("bot.py"), help="the bot's file (%(default)s)")
    add(
        "--mode",
        choices=("auto", "fork", "spawn"),
        default="auto",
        help="fork: from a process that has loaded the bot; spawn: keep some that have; auto: fork "
        "where it is safe (%(default)s)",
    )
    add(
        "--warm", type=_number(1, 100), default=2, help="processes to keep with spawn (%(default)s)"
    )
    add("--max-sessions", type=_number(1, 1_000), help="sessions at once (MAX_SESSIONS)")
    add(
        "--max-memory-mb",
        type=_number(50, 1_000_000),
        help="memory that a session may have for itself; more ends it (no limit)",
    )
    add(
        "--wait-s",
        type=_number(0, 300),
        default=0,
        help="how long a start waits in line for a slot of the vendor's account, where it has a "
        "limit and nothing is shown instead (%(default)s: it is refused at once)",
    )
    add(
        "--drain-s",
        type=_number(0, 86_400),
        default=60,
        help="how long sessions may go on once it is told to end (%(default)s)",
    )
    add("--log-folder", type=Path, help="where each session's log goes (the state folder)")
    add(
        "-v",
        dest="verbosity",
        action="count",
        default=0,
        help="log more, what is said included; -vv logs everything",
    )


class _number:
    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def __call__(self, text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not self._least <= int(text) <= self._most:
            raise argparse.ArgumentTypeError(f"takes a number from {self._least} to {self._most}")
        return int(text)
