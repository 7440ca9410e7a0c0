"""A vendor by itself, until Ctrl-C: an option for each knob."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from .faults import Fault
from .knobs import Habits
from .vendor import Vendor


def parser(name: str, describes: str, knobs: type[Habits]) -> argparse.ArgumentParser:
    """Returns the options that all vendors have, and one for each knob."""
    parsing = argparse.ArgumentParser(
        prog=f"python -m emulators.{name}",
        usage="%(prog)s [options]",
        description=describes,
        epilog="GET /_emulator/sessions tells what was heard, POST /_emulator/script what shall "
        "go wrong: docs/emulators.md.",
    )
    parsing.add_argument("--host", default="127.0.0.1", help="address (127.0.0.1)")
    parsing.add_argument("--port", type=int, default=0, help="port; 0 takes a free one (0)")
    parsing.add_argument("--seed", type=int, help="what hidden delays are drawn from (any)")
    says = "the next reply of a call fails, such as start=503 or streaming.new=429x3; repeatable"
    parsing.add_argument(
        "--fail", type=fault, action="append", default=[], metavar="CALL=STATUS", help=says
    )
    for knob, kind, default, says in knobs.options():
        option, said = f"--{knob.replace('_', '-')}", f"{says} ({default or repr(default)})"
        if isinstance(kind, tuple):
            parsing.add_argument(option, choices=kind, default=default, help=said)
        elif kind is bool:
            action = argparse.BooleanOptionalAction
            parsing.add_argument(option, action=action, default=default, help=said)
        else:
            metavar = "TEXT" if kind is str else "N"
            parsing.add_argument(option, type=kind, default=default, metavar=metavar, help=said)
    return parsing


def fault(text: str) -> Fault:
    """Reads `call=status` or `call=statusxtimes`; what is no HTTP status is the vendor's code."""
    call, _, how = text.partition("=")
    number, _, times = how.partition("x")
    if int(number) >= 1_000:
        return Fault(call, status=200, code=int(number), times=int(times or 1))
    return Fault(call, status=int(number), times=int(times or 1))


def run(
    parsing: argparse.ArgumentParser,
    given: dict[str, Any],
    serve: Callable[..., AbstractAsyncContextManager[Vendor[Any, Any]]],
) -> None:
    """Serves what the command line asks for, until Ctrl-C."""
    faults = given.pop("fail")
    try:
        asyncio.run(_run(serve, faults, given))
    except (ValueError, OSError) as wrong:  # a knob, or a port that is taken
        parsing.error(str(wrong))
    except KeyboardInterrupt:
        pass


async def _run(
    serve: Callable[..., AbstractAsyncContextManager[Vendor[Any, Any]]],
    faults: list[Fault],
    given: dict[str, Any],
) -> None:
    async with serve(**given) as vendor:
        vendor.faults += faults
        lines = [
            f"listening on {vendor.url}",
            *vendor.title,
            f"what was heard: {vendor.url}/_emulator/sessions",
        ]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()
