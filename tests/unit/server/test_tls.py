"""Certificates and keys: the good are taken, the others get a sentence before the server starts."""

import datetime
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from server.errors import TlsError
from server.tls import TlsFiles, check

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def files(folder: Path, leaf: trustme.LeafCert) -> TlsFiles:
    given = TlsFiles(folder / "chain.pem", folder / "key.pem")
    given.certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    given.key.write_bytes(leaf.private_key_pem.bytes())
    return given


@pytest.mark.parametrize("key_type", list(trustme.KeyType))
def test_certificate_with_its_key_is_taken(
    tmp_path: Path, authority: trustme.CA, key_type: trustme.KeyType
) -> None:
    check(files(tmp_path, authority.issue_cert("bot.example.com", key_type=key_type)))


def test_certificate_with_its_chain_is_taken(tmp_path: Path, authority: trustme.CA) -> None:
    check(files(tmp_path, authority.create_child_ca().issue_cert("bot.example.com")))


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_missing_file_is_named(tmp_path: Path, authority: trustme.CA, missing: str) -> None:
    given = files(tmp_path, authority.issue_cert("localhost"))
    getattr(given, missing).unlink()
    with pytest.raises(TlsError, match=r"^--tls-\w+ /.+ cannot be read: No such file"):
        check(given)


def test_folder_is_no_certificate(tmp_path: Path, authority: trustme.CA) -> None:
    given = files(tmp_path, authority.issue_cert("localhost"))
    with pytest.raises(TlsError, match=r"--tls-cert .+ cannot be read: Is a directory"):
        check(TlsFiles(tmp_path, given.key))


def test_key_of_another_certificate_is_refused(tmp_path: Path, authority: trustme.CA) -> None:
    given = files(tmp_path, authority.issue_cert("localhost"))
    given.key.write_bytes(authority.issue_cert("localhost").private_key_pem.bytes())
    with pytest.raises(TlsError, match=r"--tls-key .+ is not the key of --tls-cert"):
        check(given)


@pytest.mark.parametrize(
    ("which", "sentence"),
    [("certificate", "holds no certificate in PEM"), ("key", "holds no private key in PEM")],
)
@pytest.mark.parametrize("content", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_file_of_another_kind_is_refused(
    tmp_path: Path, authority: trustme.CA, which: str, sentence: str, content: bytes
) -> None:
    given = files(tmp_path, authority.issue_cert("localhost"))
    getattr(given, which).write_bytes(content)
    with pytest.raises(TlsError, match=sentence):
        check(given)


def test_key_with_a_password_is_refused_without_asking_for_it(
    tmp_path: Path, authority: trustme.CA
) -> None:
    given = files(tmp_path, authority.issue_cert("localhost"))
    key = load_pem_private_key(given.key.read_bytes(), None)
    given.key.write_bytes(
        key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"SECRET-password")
        )
    )
    with pytest.raises(TlsError, match="or one that needs a password"):
        check(given)


@pytest.mark.parametrize(
    ("begins", "ends", "sentence"),
    [
        (-2 * DAY, -DAY, "certificate has expired"),
        (DAY, 2 * DAY, "certificate is not yet valid"),
    ],
)
def test_certificate_out_of_its_time_is_refused(
    tmp_path: Path,
    authority: trustme.CA,
    begins: datetime.timedelta,
    ends: datetime.timedelta,
    sentence: str,
) -> None:
    leaf = authority.issue_cert("localhost", not_before=NOW + begins, not_after=NOW + ends)
    with pytest.raises(TlsError, match=f"refused by every browser: {sentence}"):
        check(files(tmp_path, leaf))
