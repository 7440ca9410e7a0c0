"""`python -m emulators.zego`: the vendor by itself, until Ctrl-C."""

from __future__ import annotations

from .. import command_line
from .knobs import Knobs
from .serving import serve


def main() -> None:
    """Reads the command line, and serves."""
    says = "ZEGO's vendor side: Digital Human and AI Agent on one address, and drive sockets."
    parsing = command_line.parser("zego", says, Knobs)
    command_line.run(parsing, vars(parsing.parse_args()), serve)


if __name__ == "__main__":
    main()
