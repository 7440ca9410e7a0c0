"""Who talks in a row, and in which order they take their turns."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .clients import OURS, PEERS, Client, Place, Talk
from .vendor import Vendor

OPEN_S = 20.0
ROUND_S = 900.0
HOPELESS = 40
"""A client whose interrupt never came in so many cuts is not asked another thousand times."""

Finding = float | bool | str | None
Findings = dict[str, Finding]
Seen = Callable[[], Awaitable[Findings]]
Act = Callable[["Scene", Any], Awaitable[Seen]]
ARRIVES = "interrupt arrives"


async def known(findings: Findings) -> Findings:
    """What needs no second look."""
    return findings


@dataclass(frozen=True)
class Row:
    """A line of the table, or a few that come out of the same run.

    Attributes:
        name: What `--rows` calls it.
        act: What a client is made to do. It returns how to find out what came of it, which is
            asked while the next client has its turn. Takes a `Talk`, or a `Client` if `opens`.
        rounds: How often: `--quick`, as it is, `--long`.
        clients: Who takes part.
        sessions: How many at a time of each client.
        fresh: In a conversation of its own each time.
        opens: It opens what it needs by itself.
        together: All clients at the same time, where what is measured is long and coarse.
        around: What goes on meanwhile.
    """

    name: str
    act: Act
    rounds: tuple[int, int, int]
    clients: tuple[Client, ...] = (OURS, *PEERS)
    sessions: int = 1
    fresh: bool = False
    opens: bool = False
    together: bool = False
    around: Callable[[], AbstractAsyncContextManager[None]] = nullcontext  # type: ignore[assignment]


class Scene:
    """The vendor, and the conversations that go on."""

    def __init__(self, vendor: Vendor, folder: Path, seed: int) -> None:
        self.vendor = vendor
        self.place = Place(vendor.url, vendor.key, vendor.heygen_key, folder)
        self.random = random.Random(seed)
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def talking(self, client: Client, **how: Any) -> AsyncIterator[Talk]:
        """A conversation whose session is known and connected."""
        async with AsyncExitStack() as stack:
            async with self._opening:
                before = {each["id"] for each in await self.vendor.sessions()}
                talk = await stack.enter_async_context(client.open(replace(self.place, **how)))
                async with asyncio.timeout(OPEN_S):
                    while not talk.session:
                        for each in await self.vendor.sessions():
                            if each["id"] not in before and each["state"] != "NEW":
                                talk.session = each["id"]
                        await asyncio.sleep(0.02)
            yield talk

    async def started(self, before: set[str]) -> str:
        """The session that is there and was not, once it is; `before` are ids."""
        async with asyncio.timeout(OPEN_S):
            while True:
                for each in await self.vendor.sessions():
                    if each["id"] not in before and each["started_at"]:
                        return each["id"]
                await asyncio.sleep(0.02)

    async def run(
        self, row: Row, rounds: int, clients: list[Client], done: Callable[[int], None]
    ) -> dict[str, list[Findings]]:
        """Let everybody do it as often, in turns; returns what was found of each."""
        found: dict[str, list[Findings]] = {each.name: [] for each in clients}
        async with AsyncExitStack() as stack:
            stages: dict[str, list[Any]] = {}
            for client in clients:
                if row.opens:
                    stages[client.name] = [client]
                elif not row.fresh:
                    stages[client.name] = [
                        await stack.enter_async_context(self.talking(client))
                        for _ in range(row.sessions)
                    ]
            for index in range(rounds):
                for client in list(clients):
                    if index == HOPELESS and _is_hopeless(found[client.name]):
                        clients.remove(client)
                async with AsyncExitStack() as for_now:
                    if row.fresh:
                        for client in clients:
                            talk = await for_now.enter_async_context(self.talking(client))
                            stages[client.name] = [talk]
                    async with asyncio.timeout(ROUND_S):
                        for name, findings in await self._round(row, clients, stages):
                            found[name].append(findings)
                done(index + 1)
        return found

    async def _round(
        self, row: Row, clients: list[Client], stages: dict[str, list[Any]]
    ) -> list[tuple[str, Findings]]:
        order = self.random.sample(clients, len(clients))
        seen: list[tuple[str, Seen]] = []

        async def turn(client: Client) -> None:
            acts = (row.act(self, each) for each in stages[client.name])
            seen.extend((client.name, each) for each in await asyncio.gather(*acts))

        async with row.around():
            if row.together:
                await asyncio.gather(*map(turn, order))
            else:
                for client in order:
                    await turn(client)
            looks = await asyncio.gather(*(look() for _, look in seen))
        return [(name, each) for (name, _), each in zip(seen, looks, strict=True)]


def _is_hopeless(findings: list[Findings]) -> bool:
    arrived = [
        value for each in findings for label, value in each.items() if label.endswith(ARRIVES)
    ]
    return bool(arrived) and not any(arrived)
