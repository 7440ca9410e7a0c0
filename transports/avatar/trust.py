"""Whether to trust who answers at an address that a vendor returned.

verify  its certificate must be that of a name or address that an authority vouches for
pin     the same; one that nobody vouches for must be the one that is remembered of its host
off     anyone is trusted

What is remembered, by host, is the last certificate that an authority vouched for, also by who only
verifies; where there never was one, the first that was seen. So whom an authority vouched for once
cannot be followed by somebody whom nobody vouches for, and authorities may renew what they sign.
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
from .shared_file import replace_file, shared_file

MOST_HOSTS = 500
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
            logger.warning(f"{vendor}'s control connection has another certificate than before")
            raise CertificateRefused(vendor, changed=True)

    def vouched(self, vendor: str, host: str, certificate: bytes) -> None:
        """Remember a certificate that an authority vouches for, in place of any before."""
        try:
            self._remember(host, hashlib.sha256(certificate).hexdigest(), renews=True)
        except OSError as error:
            logger.warning(f"{vendor}'s certificates cannot be remembered: {error.strerror}")

    def _remember(self, host: str, fingerprint: str, *, renews: bool = False) -> str:
        if self._file is None:
            return _known(_here, host, fingerprint, renews)
        with shared_file(self._file.with_suffix(".lock")):
            with shared_file(self._file) as opened:
                text = opened.read(LARGEST_FILE_BYTES + 1)
            pins = _parsed(text)
            known = _known(pins, host, fingerprint, renews)
            if (after := json.dumps(pins).encode()) != text:
                replace_file(self._file, after)
            return known


def _known(pins: dict[str, str], host: str, fingerprint: str, renews: bool) -> str:
    """What is remembered of a host from now on."""
    if renews:
        pins[host] = fingerprint
    known = pins.setdefault(host, fingerprint)
    while len(pins) > MOST_HOSTS:
        del pins[next(iter(pins))]
    return known


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
