"""Tokens for a room: opened, and checked as the RTC cloud does."""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MALFORMED, EXPIRED, REFUSED = 1102016, 1102018, 1102020
"""What the web SDK reports."""

_LOGIN, _PUBLISH = "1", "2"
_GCM = 1


class BadToken(Exception):
    """A token that opens no room."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True, slots=True)
class Token04:
    """What a token says.

    Attributes:
        mode: How it was encrypted: `cbc` or `gcm`.
        payload: Its privileges, if it has any.
    """

    app_id: int
    user_id: str
    nonce: int
    ctime: int
    expire: int
    mode: str
    payload: dict[str, Any]

    @classmethod
    def open(cls, token: str, secret: str) -> Token04:
        """Decrypts a token.

        Raises:
            BadToken: It is not one, or not of this secret.
        """
        if not token.startswith("04"):
            raise BadToken(MALFORMED, "it does not begin with 04")
        try:
            blob = base64.b64decode(token[2:], validate=True)
            expire, nonce, ciphertext, rest = _unpacked(blob)
            mode = "gcm" if rest == bytes([_GCM]) else "cbc"
            plain = (_gcm if mode == "gcm" else _cbc)(secret.encode(), nonce, ciphertext)
            said = json.loads(plain)
            payload = json.loads(said.get("payload") or "{}")
            opened = cls(
                app_id=said["app_id"],
                user_id=said["user_id"],
                nonce=said["nonce"],
                ctime=said["ctime"],
                expire=said["expire"],
                mode=mode,
                payload=payload,
            )
        except (KeyError, TypeError, ValueError, AttributeError, InvalidTag, struct.error) as wrong:
            raise BadToken(MALFORMED, f"it cannot be read: {type(wrong).__name__}") from None
        numbers = (opened.app_id, opened.nonce, opened.ctime, opened.expire)
        if not all(type(each) is int for each in numbers) or not isinstance(opened.user_id, str):
            raise BadToken(MALFORMED, "a field is of another type")
        if opened.expire != expire or not isinstance(payload, dict):
            raise BadToken(MALFORMED, "its parts contradict each other")
        return opened

    def check(
        self, *, app_id: int, user_id: str, room_id: str, now: float, stream_id: str | None = None
    ) -> None:
        """Lets a user into a room, or publish a stream there.

        Raises:
            BadToken: It is over, or somebody else's, or for another room or stream.
        """
        if self.expire <= now:
            raise BadToken(EXPIRED, "it has expired")
        if (self.app_id, self.user_id) != (app_id, user_id):
            raise BadToken(REFUSED, "it is of another App or user")
        if self.payload.get("room_id") not in (None, "", room_id):
            raise BadToken(REFUSED, "it is for another room")
        allowed = self.payload.get("privilege") or {}
        if allowed.get(_LOGIN, 1) != 1:
            raise BadToken(REFUSED, "it is not to log in with")
        if stream_id is None:
            return
        streams = self.payload.get("stream_id_list")
        if allowed.get(_PUBLISH, 1) != 1 or (streams and stream_id not in streams):
            raise BadToken(REFUSED, "it is not to publish that with")


def _unpacked(blob: bytes) -> tuple[int, bytes, bytes, bytes]:
    """Returns expiry, IV or nonce, ciphertext, and what is behind that: nothing, or the mode."""
    (expire,) = struct.unpack_from(">q", blob)
    parts, at = [], 8
    for _ in range(2):
        (size,) = struct.unpack_from(">H", blob, at)
        parts.append(blob[at + 2 : at + 2 + size])
        at += 2 + size
    if at > len(blob) or len(blob) - at > 1:
        raise ValueError("a length is wrong")
    return expire, parts[0], parts[1], blob[at:]


def _cbc(key: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    return unpadder.update(padded) + unpadder.finalize()


def _gcm(key: bytes, nonce: bytes, ciphertext: bytes) -> bytes:
    return AESGCM(key).decrypt(nonce, ciphertext, None)
