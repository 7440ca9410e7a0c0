"""Whether to trust who answers at an address that a vendor returned.

verify  its certificate must be that of a name or address that an authority vouches for
pin     the same; one that nobody vouches for is remembered at the first time, by host, and from
        then on it must be that one
off     anyone is trusted
"""

from __future__ import annotations

import hashlib
import json
import ssl
from enum import Enum
from functools import cache
from pathlib import Path

from loguru import logger

from .errors import CertificateRefused
from .shared_file import shared_file

MOST_HOSTS = 1_000
LARGEST_FILE_BYTES = 2**18

_warned: set[Trust] = set()
_here: dict[str, str] = {}  # where there is no folder


class Trust(Enum):
    """See the module."""

    VERIFY = "verify"
    PIN = "pin"
    OFF = "off"

    def warn(self, vendor: str) -> None:
        """Tell the log, once per process, what is not verified."""
        if self is not Trust.VERIFY and self not in _warned:
            _warned.add(self)
            logger.warning(
                f"who answers as {vendor}'s control connection is not verified"
                + (" at the first time" if self is Trust.PIN else "")
            )


@cache
def verifying() -> ssl.SSLContext:
    """Trusts whom the system's authorities vouch for."""
    return ssl.create_default_context()


@cache
def unverified() -> ssl.SSLContext:
    """Trusts anyone; for a connection whose certificate is looked at otherwise, or not at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Pins:
    """The certificates of hosts that nobody vouches for.

    Args:
        folder: Of the journal; None remembers for as long as the process lives.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = folder / "certificates.json" if folder else None

    def check(self, vendor: str, host: str, certificate: bytes) -> None:
        """Remember a host's certificate at the first time, and compare it at each later one.

        Args:
            vendor: For the error.
            host: As the address names it.
            certificate: In DER.

        Raises:
            CertificateRefused: It is another one, or none can be remembered.
        """
        fingerprint = hashlib.sha256(certificate).hexdigest()
        try:
            known = self._remember(host, fingerprint)
        except OSError as error:
            logger.warning(f"{vendor}'s certificates cannot be remembered: {error.strerror}")
            raise CertificateRefused(vendor) from None
        if known != fingerprint:
            raise CertificateRefused(vendor, changed=True)

    def _remember(self, host: str, fingerprint: str) -> str:
        if self._file is None:
            return _here.setdefault(host, fingerprint)
        with shared_file(self._file) as opened:
            pins = _parsed(opened.read(LARGEST_FILE_BYTES + 1))
            if host not in pins:
                while len(pins) >= MOST_HOSTS:
                    del pins[next(iter(pins))]
                pins[host] = fingerprint
                opened.seek(0)
                opened.truncate()
                opened.write(json.dumps(pins).encode())
                opened.flush()
            return pins[host]


def _parsed(text: bytes) -> dict[str, str]:
    if not text:
        return {}
    try:
        pins = json.loads(text)
    except ValueError:
        pins = None
    if not isinstance(pins, dict) or not all(isinstance(each, str) for each in pins.values()):
        raise OSError(0, "the file is damaged")  # whoever damages it must not be trusted by that
    return pins
