"""An example of a tool: what time it is in a city.

To add one like it: a file in this folder with one async function, and its name in `bot.py`'s
`TOOLS`. The language model reads the function's name, its docstring and the types of its arguments.
The first argument is Pipecat's; what is handed to its `result_callback` is what the model learns.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from pipecat.adapters.llm.schemas.direct_function import tool_options
from pipecat.services.llm_service import FunctionCallParams

LONGEST_S = 10.0


# Not cancelled when the person cuts in: the conversation goes on, and the result is told with the
# next answer. The rule for a tool whose result must not be lost, or whose work cannot be undone.
@tool_options(cancel_on_interruption=False, timeout_secs=LONGEST_S)
async def time_in_city(params: FunctionCallParams, city: str) -> None:
    """Tells the date and the time of day in a city of the world.

    Args:
        city: The English name of a large city, such as "New York".
    """
    await params.result_callback(local_time(city, datetime.now().astimezone()))


def local_time(city: str, now: datetime) -> dict[str, str]:
    """What the model is told: the time there, or why there is none."""
    zone = _zones().get(_key(city))
    if zone is None:
        return {"error": f"No time zone is known for {city!r}. Ask for a large city near it."}
    return {"city": city, "time": now.astimezone(ZoneInfo(zone)).strftime("%A, %d %B %Y, %H:%M")}


@cache
def _zones() -> dict[str, str]:
    """The cities after which the zones of the system's database are named."""
    return {_key(zone.rsplit("/", 1)[-1]): zone for zone in sorted(available_timezones())}


def _key(city: str) -> str:
    plain = unicodedata.normalize("NFKD", city.split(",")[0].casefold())
    return "".join(filter(str.isalpha, plain))
