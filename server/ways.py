"""The ways in which a person can reach the bot, by Pipecat's names, and what stands in each."""

import os
from collections.abc import Callable
from importlib.util import find_spec

EXTRAS = {"webrtc": "aiortc", "daily": "daily", "livekit": "livekit"}
"""The extra that a way needs is named as the way; the value is a package that it brings."""

ROOM_VARIABLES = {
    "daily": ("DAILY_API_KEY",),
    "livekit": ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"),
}
"""What has to be set for a way to be open."""


def obstacles(
    value: Callable[[str], str | None], *, command: str = "bot.py"
) -> dict[str, str | None]:
    """Each way with a sentence where it cannot be had.

    Args:
        value: What one of the `ROOM_VARIABLES` is set to. It is put where Pipecat looks for it.
        command: What `uv run` was told to run.
    """
    found: dict[str, str | None] = {"websocket": None}
    for way, package in EXTRAS.items():
        missing = [name for name in ROOM_VARIABLES.get(way, ()) if not _put(name, value(name))]
        found[way] = None
        if missing:
            found[way] = f"For this, set {' and '.join(missing)} in .env."
        elif find_spec(package) is None:
            found[way] = f"For this, start with: uv run --extra {way} {command}"
    return found


def _put(name: str, value: str | None) -> bool:
    if value:
        os.environ[name] = value
    return bool(value)
