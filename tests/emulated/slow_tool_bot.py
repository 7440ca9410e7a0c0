"""`bot.py` with one more tool, which takes as long as a test wants it to take."""

import asyncio
import os

from pipecat.adapters.llm.schemas.direct_function import tool_options
from pipecat.services.llm_service import FunctionCallParams

from bot import TOOLS, bot, main

__all__ = ["bot"]


@tool_options(cancel_on_interruption=False)
async def look_up(params: FunctionCallParams, what: str) -> None:
    """Looks something up.

    Args:
        what: What to look up.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", int(os.environ["LIBRARY_PORT"]))
    found = await reader.read()
    writer.close()
    await params.result_callback({"found": found.decode()})


TOOLS.append(look_up)

if __name__ == "__main__":
    main()
