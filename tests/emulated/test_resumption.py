"""A connection that breaks and comes back: the real bot, over real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.emulated.visitor import running_bot, visiting


@pytest.mark.asyncio
async def test_a_conversation_goes_on_where_it_broke_and_nobody_else_has_it(
    tmp_path: Path,
) -> None:
    async with running_bot(tmp_path, GREETING="Welcome.") as bot:
        async with visiting(bot) as visitor:
            ticket = await visitor.kind("ticket")
            assert ticket["remembers"]
            assert (await visitor.answer()).startswith("Welcome")
            await visitor.ask("My name is David")
        async with visiting(bot, ticket["token"]) as visitor:
            assert "David" in await visitor.ask("What is my name?")
            assert not [each for each in visitor.messages if "Welcome" in str(each)], (
                "greeted twice"
            )
        async with visiting(bot) as stranger:
            await stranger.answer()
            assert "David" not in await stranger.ask("What is my name?")
        with pytest.raises(InvalidStatus):
            async with visiting(bot, ticket["token"]):
                raise AssertionError("a ticket was good for two connections")
