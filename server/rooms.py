"""Tokens for rooms of others: what Pipecat's runner would give the person is the bot's own."""

import os

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
