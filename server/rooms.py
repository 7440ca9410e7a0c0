"""Rooms of others, and tokens for them: what Pipecat's runner would give is the bot's own."""

import os
from typing import Any

import aiohttp

GUEST_TOKEN_LIFE_S = 600
"""To join with; who has joined stays."""


async def daily_guest_token(room_url: str) -> str:
    """Returns a token that lets one person into a Daily room, as a guest.

    The runner's answer holds the bot's token, whose holder owns the room: it could throw the bot
    out, or record.

    Args:
        room_url: Of the room that the runner made with `DAILY_API_KEY`.
    """
    from pipecat.transports.daily.utils import DailyRESTHelper

    async with aiohttp.ClientSession() as http:
        daily = DailyRESTHelper(
            daily_api_key=os.environ["DAILY_API_KEY"],
            daily_api_url=os.environ.get("DAILY_API_URL", "https://api.daily.co/v1"),
            aiohttp_session=http,
        )
        return await daily.get_token(room_url, GUEST_TOKEN_LIFE_S, owner=False)


async def daily_room() -> dict[str, Any]:
    """Makes a room at Daily; returns what Pipecat's arguments for the bot take."""
    from pipecat.runner.daily import configure

    async with aiohttp.ClientSession() as http:
        room = await configure(http)
    return {"room_url": room.room_url, "token": room.token}


def livekit_room(session: str) -> tuple[dict[str, Any], str]:
    """Returns what Pipecat's arguments for the bot take, and the person's token."""
    from pipecat.runner.livekit import generate_session_tokens, livekit_credentials

    url, key, secret = livekit_credentials()
    name = f"avatarbot-{session}"
    bots, persons = generate_session_tokens(name, session, key, secret)
    return {"room_name": name, "url": url, "token": bots}, persons
