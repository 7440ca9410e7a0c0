"""`python -m emulators.heygen`: the vendor by itself, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import Any

from .emulator import Fault
from .knobs import options
from .serving import serve


def parser() -> argparse.ArgumentParser:
    """Returns the command line: an option for each knob."""
    parsing = argparse.ArgumentParser(
        prog="python -m emulators.heygen",
        usage="%(prog)s [options]",
        description="HeyGen's vendor side: LiveAvatar, Interactive Avatar, and their sockets.",
        epilog="GET /_emulator/sessions tells what was heard, POST /_emulator/script what shall "
        "go wrong: docs/emulators.md.",
    )
    parsing.add_argument("--host", default="127.0.0.1", help="address (127.0.0.1)")
    parsing.add_argument("--port", type=int, default=0, help="port; 0 takes a free one (0)")
    parsing.add_argument("--seed", type=int, help="what hidden delays are drawn from (any)")
    parsing.add_argument(
        "--room", metavar="URL", help="LiveKit server of the avatars' rooms (none)"
    )
    says = "of that server (LIVEKIT_API_KEY, or devkey)"
    key, secret = (os.environ.get(f"LIVEKIT_API_{each}") for each in ("KEY", "SECRET"))
    parsing.add_argument("--room-key", metavar="KEY", default=key or "devkey", help=says)
    says = "of that key (LIVEKIT_API_SECRET, or secret)"
    parsing.add_argument("--room-secret", metavar="SECRET", default=secret or "secret", help=says)
    says = "the next reply of a call fails, such as start=503 or streaming.new=429x3; repeatable"
    parsing.add_argument(
        "--fail", type=fault, action="append", default=[], metavar="CALL=STATUS", help=says
    )
    for name, kind, default, says in options():
        option, said = f"--{name.replace('_', '-')}", f"{says} ({default or repr(default)})"
        if isinstance(kind, tuple):
            parsing.add_argument(option, choices=kind, default=default, help=said)
        elif kind is bool:
            action = argparse.BooleanOptionalAction
            parsing.add_argument(option, action=action, default=default, help=said)
        else:
            name = "TEXT" if kind is str else "N"
            parsing.add_argument(option, type=kind, default=default, metavar=name, help=said)
    return parsing


def fault(text: str) -> Fault:
    """Reads `call=status` or `call=statusxtimes`."""
    call, _, how = text.partition("=")
    status, _, times = how.partition("x")
    return Fault(call, status=int(status), times=int(times or 1))


async def run(faults: list[Fault], room: tuple[str, str, str] | None, given: Any) -> None:
    """Serves until it is cancelled."""
    rooms = None
    if room:
        from .rooms import Rooms  # brings LiveKit's client, which nobody else needs

        rooms = Rooms(*room)
    async with serve(rooms=rooms, **given) as emulator:
        emulator.faults += faults
        lines = [
            f"listening on {emulator.url}",
            f"LiveAvatar's API key: {emulator.key('liveavatar')}",
            f"HeyGen's API key: {emulator.key('interactive')}",
            f"what was heard: {emulator.url}/_emulator/sessions",
        ]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Reads the command line, and serves."""
    parsing = parser()
    given = vars(parsing.parse_args())
    faults = given.pop("fail")
    url, key, secret = (given.pop(each) for each in ("room", "room_key", "room_secret"))
    try:
        asyncio.run(run(faults, (url, key, secret) if url else None, given))
    except (ValueError, OSError) as wrong:  # a knob, or a port that is taken
        parsing.error(str(wrong))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
