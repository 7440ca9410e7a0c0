"""A certificate that nobody has signed but itself, for an IP: as the drive sockets have one."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_LIFE = datetime.timedelta(days=1)


class Certificate:
    """What drive sockets show.

    Attributes:
        context: For a server; it shows a new certificate once that is renewed.
        pem: The certificate that it shows now.
    """

    def __init__(self, host: str) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.pem = b""
        self._host = host
        self.renew()

    def renew(self) -> None:
        """Another key and certificate, for whoever connects from now on."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._host)])
        now = datetime.datetime.now(datetime.UTC)
        address = x509.IPAddress(ipaddress.ip_address(self._host))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _LIFE)
            .not_valid_after(now + _LIFE)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "certificate.pem"
            file.write_bytes(self.pem + private)
            self.context.load_cert_chain(file)

    def fingerprint(self) -> str:
        """Returns the SHA-256 of the certificate, in hexadecimal."""
        return x509.load_pem_x509_certificate(self.pem).fingerprint(hashes.SHA256()).hex()
