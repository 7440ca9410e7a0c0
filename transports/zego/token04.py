"""Token04: lets a page into a room of ZEGO's, for minutes.

Written after https://github.com/zegoim/zego_server_assistant (token04), as of 2024-10. GCM is what
the vendor recommends; CBC, which has no integrity check, is what older SDKs know.
"""

from __future__ import annotations

import base64
import json
import secrets
import struct
import time
from collections.abc import Sequence
from typing import Literal

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

PREFIX = "04"
SECRET_BYTES = 32
LONGEST_S = 600
"""Nothing of ours is good for longer: a page asks for the next one as it asked for the first."""

LONGEST_USER_BYTES = 32
_GCM = b"\x01"

Mode = Literal["gcm", "cbc"]


def privileges(room: str, *, login: bool, publish: Sequence[str] = ()) -> str:
    """What a token allows in one room: the text of its `payload`.

    Args:
        room: The only one that it is good for.
        login: Whether its user may enter.
        publish: The streams that its user may publish; none at all where empty.
    """
    allowed = {"1": int(login), "2": int(bool(publish))}
    return _json({"room_id": room, "privilege": allowed, "stream_id_list": [*publish] or None})


def token04(
    app_id: int,
    secret: str,
    user: str,
    *,
    payload: str,
    lasts_s: int = LONGEST_S,
    mode: Mode = "gcm",
    now: int | None = None,
    nonce: int | None = None,
    iv: bytes | None = None,
) -> str:
    """A token for one user.

    Args:
        app_id: Of the project.
        secret: The ServerSecret, whose 32 characters are the key.
        user: Who it is for, up to 32 bytes.
        payload: See `privileges`; empty allows all.
        lasts_s: How long it is good for, in seconds; up to 600.
        mode: How it is encrypted.
        now: In seconds of the epoch; by default the clock's.
        nonce: Random where None.
        iv: Random where None: 12 bytes for GCM, 16 for CBC.

    Raises:
        ValueError: An argument is none that a token can be made of.
    """
    key = secret.encode()
    if not 0 < app_id < 2**32:
        raise ValueError("app_id takes a number from 1 to 4294967295")
    if not 0 < len(user.encode()) <= LONGEST_USER_BYTES:
        raise ValueError(f"user takes up to {LONGEST_USER_BYTES} bytes")
    if len(key) != SECRET_BYTES:
        raise ValueError(f"the secret takes {SECRET_BYTES} characters")
    if not 0 < lasts_s <= LONGEST_S:
        raise ValueError(f"lasts_s takes 1 to {LONGEST_S}")
    created = int(time.time()) if now is None else now
    content: dict[str, str | int] = {
        "app_id": app_id,
        "user_id": user,
        "nonce": secrets.randbits(31) if nonce is None else nonce,
        "ctime": created,
        "expire": created + lasts_s,
        "payload": payload,
    }
    return pack(content, key, mode=mode, iv=iv)


def pack(content: dict[str, str | int], key: bytes, *, mode: Mode, iv: bytes | None = None) -> str:
    """The token that says `content`, which has an `expire`."""
    plain = _json(content).encode()
    if mode == "gcm":
        iv = secrets.token_bytes(12) if iv is None else iv
        sealed, end = AESGCM(key).encrypt(iv, plain, None), _GCM
    else:
        iv = secrets.token_bytes(16) if iv is None else iv
        padder = PKCS7(128).padder()
        encryptor = Cipher(algorithms.AES256(key), modes.CBC(iv)).encryptor()
        padded = padder.update(plain) + padder.finalize()
        sealed, end = encryptor.update(padded) + encryptor.finalize(), b""
    head = struct.pack(">qH", content["expire"], len(iv)) + iv
    blob = head + struct.pack(">H", len(sealed)) + sealed + end
    return PREFIX + base64.b64encode(blob).decode()


def _json(content: object) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)
