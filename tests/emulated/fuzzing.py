"""Inputs that nobody sane sends, from a seed: HTTP as bytes, WebSocket frames, RTVI messages.

Nearly right finds more than random, so most of it is made right first and then damaged.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

CANARY = "SECRET-fuzz"
"""In nearly everything that carries content: it must not show up in a log."""

METHODS = ("GET", "POST", "HEAD", "PUT", "OPTIONS", "PATCH", "CONNECT", "TRACE", "get", "", "G\tT")
PATHS = (
    "/",
    "/start",
    "/ws-client",
    "/assets/app.js",
    "/assets/../bot.py",
    "/%2e%2e/.env",
    "/api/offer",
    "*",
    "//",
    "/?",
    "http://localhost/",
    "/start?a=1#b",
    "/\u00e9",
    "/%",
    "/%ff",
    "/%00",
    "",
    "/assets/" + "a" * 9_000,
    "/ws-client/x",
    "/docs",
    "ws-client",
    "/start;x",
)
HEADERS = (
    (
        "Content-Length",
        ("0", "2", "-1", "99999999999", "1e3", "", "0x10", "2, 2", "18446744073709551616"),
    ),
    ("Transfer-Encoding", ("chunked", "gzip, chunked", "identity", "xchunked", "chunked, chunked")),
    ("Connection", ("close", "keep-alive", "upgrade", "Upgrade, close", "")),
    ("Upgrade", ("websocket", "h2c", "WEBSOCKET", "websocket, x", "")),
    ("Expect", ("100-continue", "200-ok")),
    ("X-Forwarded-For", ("203.0.113.9", "\u00e9", ",", "::1")),
    ("X-Forwarded-Proto", ("https", "ws", "javascript")),
    ("X-Forwarded-Host", ("evil.example",)),
    ("Accept-Encoding", ("gzip", "*;q=x")),
    ("Cookie", (f"a={CANARY}",)),
    ("Authorization", (f"Bearer {CANARY}", "Basic !!")),
    ("Sec-Fetch-Site", ("cross-site", "same-origin", "x")),
    ("If-None-Match", ('"x"', "*", CANARY)),
    ("Range", ("bytes=0-", "bytes=9-1")),
    ("Sec-WebSocket-Key", ("dGhlIHNhbXBsZSBub25jZQ==", "short", "")),
    ("Sec-WebSocket-Version", ("13", "8", "x", "13, 8")),
    ("Sec-WebSocket-Extensions", ("permessage-deflate", "permessage-deflate; x", ";;", 'x; y="')),
    (
        "Sec-WebSocket-Protocol",
        ("avatarbot", "avatarbot, ticket.x", f"ticket.{CANARY}", ",", "a b"),
    ),
    ("X", ("\0", "\r", "a\r\n b", "x" * 70_000, "\u00ff")),
)
BODIES = (
    b"",
    b"{}",
    b'{"transport": "websocket"}',
    b'{"transport": ["websocket"]}',
    b"\xff\xfe",
    b"[" * 9_999,
    b"0\r\n\r\n",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"-1\r\n",
    b"x" * 70_000,
    b'{"api_key": "SECRET-fuzz"}',
    b"1;" + b"e" * 20_000 + b"\r\nx\r\n0\r\n\r\n",
)

MESSAGES: tuple[dict[str, Any], ...] = (
    {"type": "client-ready", "data": {"version": "2.0.0", "about": {"library": CANARY}}},
    {
        "type": "send-text",
        "data": {
            "content": f"hello {CANARY}",
            "options": {"run_immediately": True, "audio_response": True},
        },
    },
    {
        "type": "client-message",
        "data": {"t": "avatar-played", "d": {"utterance": "u", "samples": 480}},
    },
    {"type": "client-message", "data": {"t": "weather", "d": {"city": CANARY}}},
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**63,
    10**30,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "\0",
    "\ud800",
    "x" * 5_000,
    CANARY,
    [],
    {},
    [[[[[[[[[[[1]]]]]]]]]]],
    {"a": {"b": {"c": {}}}},
    "\u202e\u0000\x1b[2J",
    "1" * 400,
    "disconnect-bot",
    "raw-audio",
    "append-to-context",
    "llm-function-call-result",
    "🙂" * 500,
)


class Fuzzer:
    """A stream of inputs that a seed makes again."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def decide(self, probability: float) -> bool:
        """Whether something rare happens now."""
        return self._chance.random() < probability

    def pieces(self, data: bytes) -> list[bytes]:
        """The same in one piece or several."""
        cuts = sorted(self._chance.randrange(len(data) + 1) for _ in range(self._few()))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    def request(self, host: str, origin: str) -> bytes:
        """An HTTP request, more or less."""
        if self.decide(0.05):
            return self._noise()
        chance = self._chance
        headers = [("Host", host), ("Origin", origin)] if self.decide(0.8) else []
        for name, values in chance.sample(HEADERS, self._few() + 1):
            headers.append((name, chance.choice(values)))
        if self.decide(0.3):
            upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
            key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}
            headers += [*upgrade.items(), *key.items()]
        body = chance.choice(BODIES) if self.decide(0.4) else b""
        if body and self.decide(0.6):
            headers.append(("Content-Length", str(len(body))))
        chance.shuffle(headers)
        method = chance.choice(METHODS[:3] if self.decide(0.6) else METHODS)
        version = "HTTP/1.1" if self.decide(0.9) else chance.choice(("HTTP/1.0", "HTTP/9", "", "x"))
        head = f"{method} {chance.choice(PATHS)} {version}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
        whole = head.encode(chance.choice(("utf-8", "latin-1")), "replace") + body
        return self._damaged(whole) if self.decide(0.3) else whole

    def message(self) -> str | bytes:
        """An RTVI message or audio, more or less."""
        chance = self._chance
        if self.decide(0.15):
            return chance.randbytes(chance.choice((0, 1, 640, 641, 1_280, 66_000)))
        message: Any = {"label": "rtvi-ai", "id": "1"} | json.loads(
            json.dumps(chance.choice(MESSAGES))
        )
        for _ in range(self._few()):
            message = self._twisted(message)
        text = json.dumps(message, ensure_ascii=self.decide(0.5))
        if self.decide(0.2):
            at = chance.randrange(len(text))
            text = text[:at] + chance.choice(("", "\0", '"', "}", "[" * 999)) + text[at + 1 :]
        return text.encode("utf-8", "replace").decode()

    def frame(self) -> bytes:
        """Bytes on an open WebSocket that are a frame, or once were."""
        chance = self._chance
        if self.decide(0.2):
            return self._noise()
        payload = chance.choice((b"", b"{}", b"\xff\xfe", chance.randbytes(200), b"\x03\xe8bye"))
        first = chance.choice((0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0A, 0x0F)) | (
            chance.choice((0x80, 0x80, 0x00, 0xC0, 0xA0, 0xF0))
        )
        masked = 0x80 if self.decide(0.9) else 0
        if self.decide(0.15):
            claimed = chance.choice((2**16, 2**31, 2**63 - 1, 2**64 - 1))
            length = bytes([masked | 127]) + claimed.to_bytes(8, "big")
        elif len(payload) < 126:
            length = bytes([masked | len(payload)])
        else:
            length = bytes([masked | 126]) + len(payload).to_bytes(2, "big")
        frame = bytes([first]) + length + (bytes(4) if masked else b"") + payload
        return self._damaged(frame) if self.decide(0.2) else frame

    def _few(self) -> int:
        return self._chance.choice((0, 0, 1, 1, 2, 3, 5))

    def _noise(self) -> bytes:
        return self._chance.randbytes(self._chance.choice((1, 7, 100, 5_000)))

    def _damaged(self, data: bytes) -> bytes:
        chance = self._chance
        at = chance.randrange(len(data) + 1)
        to = min(len(data), at + chance.randrange(9))
        return chance.choice(
            (
                data[:at],
                data[:at] + data[to:],
                data[:at] + chance.randbytes(3) + data[to:],
                data[:at] + data[:at],
                data.replace(b"\r\n", b"\n"),
                data.replace(b": ", b" : "),
            )
        )

    def _twisted(self, node: Any) -> Any:
        """The same with something in it taken away, added or replaced."""
        chance = self._chance
        if not isinstance(node, dict) or not node or self.decide(0.1):
            return chance.choice(VALUES)
        key = chance.choice(list(node))
        what = chance.randrange(4)
        if what == 0:
            return {name: value for name, value in node.items() if name != key}
        if what == 1:
            return node | {str(chance.choice(VALUES))[:50]: chance.choice(VALUES)}
        return node | {key: self._twisted(node[key])}


def seeds(seed: int, count: int) -> Sequence[int]:
    """One seed for each of so many that go on side by side."""
    return [seed * 1_000 + number for number in range(count)]
