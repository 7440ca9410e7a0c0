"""`uv run --group peers python -m benchmarks.peers`: the package says what it measures."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from loguru import logger

from benchmarks.figures import machine
from tests.emulated.peers import pipecat_asks

from . import __doc__ as about
from .clients import BY_NAME, Client, now
from .report import Values, lines, markdown
from .rows import rows
from .scene import Row, Scene
from .vendor import emulated_vendor

PACKAGES = ("pipecat-ai", "livekit-agents", "livekit-plugins-liveavatar", "websockets", "soxr")


def where() -> str:
    """Machine, versions and time, without which a figure says little."""
    versions = ", ".join(f"{each} {version(each)}" for each in PACKAGES)
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {machine()}; {versions}"


async def measure(
    chosen: list[Row], size: int, rounds: int | None, seed: int, keep: Path | None, who: list[str]
) -> dict[str, Values]:
    table: dict[str, Values] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with emulated_vendor() as vendor:
            with pipecat_asks(vendor.url):
                scene = Scene(vendor, Path(folder), seed)
                for row in chosen:
                    clients = [each for each in row.clients if not who or each.name in who]
                    table |= await measured(scene, row, rounds or row.rounds[size], clients)
                    if keep:  # after each row: hours may have passed
                        save(table, keep)
    return table


def save(table: dict[str, Values], file: Path) -> None:
    """Every single value, with where it was measured."""
    file.write_text(json.dumps({"where": where(), "values": table}, ensure_ascii=False))


async def measured(scene: Scene, row: Row, rounds: int, clients: list[Client]) -> dict[str, Values]:
    """One row, with its progress on the way; a row that breaks takes no other along."""
    began = now()

    def done(count: int) -> None:
        sys.stderr.write(f"\r{row.name}: {count} of {rounds}, {now() - began:.0f} s ")
        sys.stderr.flush()

    try:
        found = await scene.run(row, rounds, clients, done)
    except Exception as error:  # noqa: BLE001 - hours of other rows may follow
        sys.stderr.write(f"\n{row.name} broke: {error!r}\n")
        return {}
    sys.stderr.write("\n")
    return lines(found)


def main() -> None:
    table = {each.name: each for each in rows()}
    parsing = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    size = parsing.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a look, of a few minutes")
    size.add_argument("--long", action="store_true", help="for hours, with a thousand cut-ins")
    names = ", ".join(table)
    parsing.add_argument(
        "--rows", nargs="+", metavar="ROW", help=f"some, by how they begin: {names}"
    )
    parsing.add_argument(
        "--clients", nargs="+", default=[], choices=BY_NAME, metavar="CLIENT", help="some of them"
    )
    parsing.add_argument("--rounds", type=int, help="that many, whatever the row")
    parsing.add_argument("--json", type=Path, metavar="FILE", help="every single value")
    parsing.add_argument("--seed", type=int, default=1, help="of the order and of the cut-ins")
    given = parsing.parse_args()
    chosen = [
        row
        for name, row in table.items()
        if not given.rows or any(name == each or name.startswith(f"{each}-") for each in given.rows)
    ]
    if not chosen:
        parsing.error(f"the rows are {names}")
    logger.remove()
    logging.disable()
    size_index = 0 if given.quick else 2 if given.long else 1
    found = asyncio.run(
        measure(chosen, size_index, given.rounds, given.seed, given.json, given.clients)
    )
    print(f"\n{where()}\n\n{markdown(found)}")


if __name__ == "__main__":
    main()
