"""Which of the page's messages reach the pipeline, and in which shape.

Pipecat's RTVI processor also takes files, URLs, audio, key tones and results of function calls
from whoever is connected. Here only what `docs/frames.md` lists passes, rebuilt from its known
fields, so that nothing else of a message can be acted on, or quoted in a log line.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, NoReturn

from loguru import logger

LONGEST_MESSAGE = 64 * 1024
"""Characters of one text message."""
LONGEST_TEXT = 4_000
"""Characters that a person can send at once."""
DEEPEST = 8
"""Levels of lists and objects inside one another."""

LABEL = "rtvi-ai"

_CONTROLS = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)])
_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")


class Refused(Exception):
    """A message is not let in. Carries the kind of reason, never the content."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Refusals(Counter[str]):
    """How often what kind was refused, in one session. Each is warned of once, by kind only."""

    def note(self, kind: str) -> None:
        """One more."""
        self[kind] += 1
        if self[kind] == 1:
            logger.warning(f"refused a message of a client: {kind} (warned of once)")


def parse(text: str) -> dict[str, Any]:
    """Returns the RTVI message that the text holds, with its known fields only.

    Raises:
        Refused: It is too long, not an RTVI message of the allowed types, or malformed.
    """
    if len(text) > LONGEST_MESSAGE:
        raise Refused("too long")
    return checked(_decode(text))


def checked(message: Any) -> dict[str, Any]:
    """Returns a decoded message with its known fields only.

    Raises:
        Refused: As `parse`, but for the length of the whole.
    """
    if not isinstance(message, dict) or message.get("label") != LABEL:
        raise Refused("not RTVI")
    kind, ident, data = message.get("type"), message.get("id"), message.get("data")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise Refused("type not allowed")
    if not isinstance(ident, str) or len(ident) > 128:
        raise Refused("no id")
    if data is not None and not isinstance(data, dict):
        raise Refused("malformed data")
    rebuilt = {"label": LABEL, "type": kind, "id": ident, "data": _TYPES[kind](data or {})}
    _check_text(rebuilt)
    return rebuilt


def _decode(text: str) -> Any:
    try:
        return json.loads(
            text, parse_int=_number(int), parse_float=_number(float), parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        raise Refused("not JSON") from None


def _number(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse_number(digits: str) -> Any:
        if len(digits) > 32 or abs(value := kind(digits)) > 1e18:
            raise Refused("number out of range")
        return value

    return parse_number


def _no_constant(_: str) -> NoReturn:
    raise Refused("number out of range")


def _check_text(message: dict[str, Any]) -> None:
    """Refuses halves of surrogate pairs, which fail wherever the text is encoded later."""
    try:
        json.dumps(message, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Refused("not Unicode") from None


def _client_ready(data: dict[str, Any]) -> dict[str, Any]:
    version = data.get("version")
    known = isinstance(version, str) and _VERSION.fullmatch(version)
    return {"version": version} if known else {}


def _send_text(data: dict[str, Any]) -> dict[str, Any]:
    content, options = data.get("content"), data.get("options")
    if not isinstance(content, str) or not (content := content.translate(_CONTROLS).strip()):
        raise Refused("no text")
    if len(content) > LONGEST_TEXT:
        raise Refused("too long")
    given = options if isinstance(options, dict) else {}
    wishes = {name: given.get(name) is not False for name in ("run_immediately", "audio_response")}
    return {"content": content, "options": wishes}


def _client_message(data: dict[str, Any]) -> dict[str, Any]:
    kind, detail = data.get("t"), data.get("d")
    if not isinstance(kind, str) or not re.fullmatch(r"[a-z0-9-]{1,64}", kind):
        raise Refused("malformed data")
    if not _shallow(detail, DEEPEST):
        raise Refused("too deep")
    return {"t": kind, "d": detail}


def _disconnect_bot(_: dict[str, Any]) -> None:
    return None


def _shallow(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return True
    return levels > 0 and all(_shallow(each, levels - 1) for each in inner)


_TYPES: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "client-ready": _client_ready,
    "send-text": _send_text,
    "client-message": _client_message,
    "disconnect-bot": _disconnect_bot,
}
