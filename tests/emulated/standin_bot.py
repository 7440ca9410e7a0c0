"""A bot that is nothing but a door: what `tests/emulated/test_door.py` knocks at."""

import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import logs
import settings
from server.cli import parse
from server.errors import ServerError
from server.runner import serve
from server.viewer import installed


async def bot(runner_args: Any) -> None:
    if not hasattr(runner_args, "websocket"):
        return  # a room, which nobody here can join
    socket = runner_args.websocket
    seen = {
        "ticket": asdict(socket.scope["avatarbot"]),
        "headers": dict(socket.headers),
        "query": str(socket.query_params),
        "renewed": await socket.scope["avatarbot.renew"](),
        "client": socket.client.host,
    }
    await socket.send_text(json.dumps(seen))
    if os.environ.get("STUBBORN"):
        await asyncio.sleep(3600)
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


def main() -> int:
    config = settings.load(dotenv=None)
    options = parse(None, version="0.0", variables=[("GREETING", "what the bot says first")])
    logs.configure(options.verbosity)
    page, viewer_of = Path(os.environ["PAGE"]), os.environ.get("VIEWER_OF")
    try:
        serve(
            options.host,
            options.port,
            page=page,
            viewer=installed(page, *viewer_of.split()) if viewer_of else None,
            transports={
                "websocket": None,
                "webrtc": None,
                "daily": os.environ.get("NO_DAILY", "For this, set DAILY_API_KEY in .env.") or None,
                "livekit": None,
            },
            public_url=config.public_url,
            tls=options.tls,
            trusted_proxies=config.trusted_proxies,
            max_sessions=config.max_sessions,
            opened=lambda: logs.configure(options.verbosity),
        )
    except ServerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
