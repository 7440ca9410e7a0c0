"""The command line. Pipecat's runner has one of its own, of which this is all that we offer."""

import argparse
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .tls import TlsFiles


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for. `verbosity` is how many `-v` there were."""

    host: str
    port: int
    verbosity: int
    tls: TlsFiles | None = None


def parse(
    arguments: Sequence[str] | None, *, version: str, variables: Iterable[tuple[str, str]]
) -> Options:
    """Reads the command line, or prints help and leaves.

    Args:
        arguments: The words after the program's name; by default this process's.
        version: What `--version` prints.
        variables: Names of environment variables, each with what it takes, for the help.
    """
    listed = [f"  {name:<20} {takes}" for name, takes in variables]
    parser = argparse.ArgumentParser(
        description="avatarbot: a voice agent with a face. Open the printed address and talk.",
        epilog="\n".join(("settings, from the environment or the file .env:", *listed)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--host", default="localhost", help="where to listen, on this machine (%(default)s)"
    )
    parser.add_argument("--port", type=_port, default=7860, help="the port (%(default)s)")
    parser.add_argument(
        "--tls-cert", type=Path, metavar="PEM", help="serve HTTPS with this certificate chain"
    )
    parser.add_argument("--tls-key", type=Path, metavar="PEM", help="the certificate's private key")
    parser.add_argument(
        "-v",
        dest="verbosity",
        action="count",
        default=0,
        help="log more, what is said included; -vv logs everything",
    )
    parser.add_argument("--version", action="version", version=f"avatarbot {version}")
    given = parser.parse_args(arguments)
    if (given.tls_cert is None) != (given.tls_key is None):
        parser.error("--tls-cert and --tls-key go together: give both, or none")
    tls = TlsFiles(given.tls_cert, given.tls_key) if given.tls_cert else None
    return Options(given.host, given.port, given.verbosity, tls)


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError("takes a number from 1 to 65535")
    return int(text)
