"""`python -m emulators.heygen`: the vendor by itself, until Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from .. import command_line
from .emulator import Emulator
from .knobs import Knobs
from .serving import serve


def main() -> None:
    """Reads the command line, and serves."""
    says = "HeyGen's vendor side: LiveAvatar, Interactive Avatar, and their sockets."
    parsing = command_line.parser("heygen", says, Knobs)
    parsing.add_argument(
        "--room", metavar="URL", help="LiveKit server of the avatars' rooms (none)"
    )
    says = "of that server (LIVEKIT_API_KEY, or devkey)"
    key, secret = (os.environ.get(f"LIVEKIT_API_{each}") for each in ("KEY", "SECRET"))
    parsing.add_argument("--room-key", metavar="KEY", default=key or "devkey", help=says)
    says = "of that key (LIVEKIT_API_SECRET, or secret)"
    parsing.add_argument("--room-secret", metavar="SECRET", default=secret or "secret", help=says)
    command_line.run(parsing, vars(parsing.parse_args()), in_rooms)


@asynccontextmanager
async def in_rooms(
    *, room: str | None, room_key: str, room_secret: str, **given: Any
) -> AsyncIterator[Emulator]:
    """Serves, with a LiveKit server if one is named."""
    rooms = None
    if room:
        from .rooms import Rooms  # brings LiveKit's client, which nobody else needs

        rooms = Rooms(room, room_key, room_secret)
    async with serve(rooms=rooms, **given) as emulator:
        yield emulator


if __name__ == "__main__":
    main()
