"""What anybody can make uvicorn say. It is no warning and no error of ours, whatever it is called.

Otherwise a stranger fills the log at will, with tracebacks.
"""

import logging

_MESSAGES = frozenset(
    (
        "Invalid HTTP request received.",
        "Invalid UTF-8 sequence received from client.",
        "Unsupported upgrade request.",
        # Said where a session's process died in the midst of an answer.
        "ASGI callable returned without completing response.",
        # Said of a WebSocket that was refused with an HTTP status of its own, which is fine.
        "ASGI callable returned without completing handshake.",
    )
)


def hush() -> None:
    """Makes these messages DEBUG, without a traceback."""
    logging.getLogger("uvicorn.error").addFilter(_hushed)


def _hushed(record: logging.LogRecord) -> bool:
    if record.msg in _MESSAGES:
        record.levelno, record.levelname, record.exc_info = logging.DEBUG, "DEBUG", None
    return record.levelno >= logging.getLogger(record.name).getEffectiveLevel()
