"""The files of `--tls-cert` and `--tls-key`, tried out before anything is served with them."""

import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .errors import TlsError


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the certificate with the chain above it, and its private key."""

    certificate: Path
    key: Path


def check(files: TlsFiles) -> None:
    """Raises `TlsError` if a browser could not be served with these files."""
    for option, path in (("--tls-cert", files.certificate), ("--tls-key", files.key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise TlsError(f"{option} {path} cannot be read: {error.strerror}.") from None
    _shake_hands(_server(files), _client(files))


def _client(files: TlsFiles) -> ssl.SSLContext:
    """A client that trusts this certificate, and looks at all else of it as browsers do."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(files.certificate)
    return client


def _server(files: TlsFiles) -> ssl.SSLContext:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(files.certificate)
    except ssl.SSLError:
        raise TlsError(f"--tls-cert {files.certificate} holds no certificate in PEM.") from None
    try:
        server.load_cert_chain(files.certificate, files.key, password="")  # "": never ask for one
    except ssl.SSLError as error:
        if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
            raise TlsError(
                f"--tls-key {files.key} is not the key of --tls-cert {files.certificate}."
            ) from None
        raise TlsError(
            f"--tls-key {files.key} holds no private key in PEM, or one that needs a password. "
            "This version takes a key without one."
        ) from None
    return server


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    try:
        for side in (asking, answering, asking):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    except ssl.SSLCertVerificationError as error:
        raise TlsError(
            f"--tls-cert would be refused by every browser: {error.verify_message}."
        ) from None
