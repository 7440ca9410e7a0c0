"""One place where logging is set up, and where what looks like a secret is blotted out.

`configure` may be called again and again. It has to be: Pipecat's runner takes every sink away
and adds one of its own, which prints local variables under a traceback.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from loguru import logger

if TYPE_CHECKING:
    from loguru import Record

LEVELS = (("INFO", logging.WARNING), ("DEBUG", logging.INFO), ("TRACE", logging.DEBUG))
"""What no `-v`, `-v` and `-vv` stand for, here and in libraries that use `logging`.

From DEBUG on, the words of a conversation are logged.
"""

BLOT = "<redacted>"

_SECRETS = re.compile(
    r"""
      (?P<scheme> \b(?:bearer\s+|(?:basic|token)\s+(?=[\w+/-]{12})) ) [\w.~+/=-]+
    | (?P<ticket> \bticket\. | \bice-pwd: ) [\w.+/-]+
    | (?P<named>  (?:token|secret|password|passwd|api[_-]?key|apikey|authorization|signature)
                  \\?["']? \s* [=:] \s* ) (?! \\?["']?(?:bearer|basic|token)\b )
                  (?: \\?(?P<quote>["']) (?:(?!\\?(?P=quote)).)+ | (?!["'])[^\s"'\\&,;)}\]]+ )
    | \beyJ[\w-]{8,2000}\.[\w-]{8,}(?:\.[\w-]*)?
    | \b(?:sk|pk|rk|xi|sess|ghp|gsk)[-_][\w-]{16,}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_QUIET_FORMAT = "{time:HH:mm:ss} {level: <7} {message}"
_CHATTY_FORMAT = "{time:HH:mm:ss.SSS} {level: <7} {name}:{line} {message}"
_LOGURU_LEVELS = frozenset(("TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))

_known: set[str] = set()


def redact(text: str) -> str:
    """Returns the text with keys, tokens and tickets blotted out."""
    for secret in _known:
        text = text.replace(secret, BLOT)
    return _SECRETS.sub(_blot, text)


def _blot(match: re.Match[str]) -> str:
    kept = match["scheme"] or match["ticket"] or match["named"] or ""
    return kept + (match["quote"] or "") + BLOT


def _redact_record(record: "Record") -> None:
    text = record["message"]
    if record["exception"] is not None:
        # A sink that is not ours would print the values of variables under it.
        text += "\n" + "".join(traceback.format_exception(*record["exception"])).rstrip()
        record["exception"] = None
    record["message"] = redact(text)


class _RedactedStream:
    """A sink. What it gets is a whole line with its traceback, so that no text escapes it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        self._stream.write(redact(text))

    def flush(self) -> None:
        self._stream.flush()


class _ToLoguru(logging.Handler):
    """Hands on what libraries write with the standard `logging`."""

    def emit(self, record: logging.LogRecord) -> None:
        def place(entry: "Record") -> None:
            entry["name"], entry["line"] = record.name, record.lineno

        level = record.levelname if record.levelname in _LOGURU_LEVELS else record.levelno
        logger.patch(place).opt(exception=record.exc_info).log(level, record.getMessage())


def verbosity_of(level: str) -> int:
    """The verbosity that logs a level of loguru's, such as `DEBUG`; that of no `-v` for others."""
    names = [name for name, _ in LEVELS]
    return names.index(level) if level in names else 0


def keep_secret(secrets: Iterable[str]) -> None:
    """Blots out secrets in whatever this process logs with loguru, whoever's the sinks are.

    Args:
        secrets: Values that must never show, whatever they look like. They add up over calls.
    """
    _known.update(secret for secret in secrets if len(secret) >= 8)
    logger.configure(patcher=_redact_record)


def configure(
    verbosity: int = 0, *, secrets: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Makes this process's logs ours: one sink, no local variables, secrets blotted out.

    Args:
        verbosity: 0, 1 or 2, see `LEVELS`. At 0 nothing that was said or typed is logged.
        secrets: Values that must never show, as `keep_secret` takes them.
        stream: Where to write; stderr by default.
    """
    level, standard_level = LEVELS[min(verbosity, len(LEVELS) - 1)]
    keep_secret(secrets)
    logger.remove()
    logger.add(
        _RedactedStream(stream or sys.stderr),
        level=level,
        format=_CHATTY_FORMAT if verbosity else _QUIET_FORMAT,
        backtrace=False,
        diagnose=False,
    )
    logging.basicConfig(handlers=[_ToLoguru()], level=standard_level, force=True)
