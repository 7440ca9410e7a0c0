"""Logs: what looks like a secret is blotted out, wherever a line comes from."""

import io
import logging
import sys
import time
from collections.abc import Iterator

import pytest
from loguru import logger

import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    handlers, level = logging.root.handlers[:], logging.root.level
    stream = io.StringIO()
    yield stream
    logger.remove()
    logger.configure(patcher=lambda record: None)
    logs._known.clear()
    logging.root.handlers[:], logging.root.level = handlers, level


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer SECRET-abc.def",
        "authorization='Basic SECRET-YWxhZGRpbjpvcGVu'",
        "> Authorization: Token SECRET-0123456789abcdef",
        "> xi-api-key: SECRET-0123456789abcdef",
        '"GET /ws-client?token=SECRET-1&x=2 HTTP/1.1" 403',
        "{'api_key': 'SECRET-1', 'x': 2}",
        '{"session_token": "SECRET-1 with spaces", "x": 2}',
        r'Raw body: b"{\"api_key\": \"SECRET-1\"}"',
        "HEYGEN_API_KEY=SECRET-1",
        "password = SECRET-1",
        "Sec-WebSocket-Protocol: avatarbot, ticket.SECRET-1.abc-_",
        "joined with eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJTRUNSRVQtIn0.SECRET-abc",
        "key sk-SECRET-abcdefghijklmnop refused",
    ],
)
def test_secret_is_blotted_out(line: str) -> None:
    assert "SECRET-" not in logs.redact(line)
    assert logs.BLOT in logs.redact(line)


@pytest.mark.parametrize(
    "line",
    [
        "session 5f2d ended after 12.5 s",
        "refused a message from the page: no text (warned of once)",
        "prompt tokens: many, see https://example.com/a?b=c",
        "basic English",
    ],
)
def test_ordinary_line_stays(line: str) -> None:
    kept = logs.redact(line)
    assert kept == line or "tokens" in line


@pytest.mark.parametrize("piece", ["a", "token", "eyJ-", "-eyJaaaaaaaa", "token='", "sk-", '\\"'])
def test_long_line_takes_no_long_time(piece: str) -> None:
    began = time.perf_counter()
    logs.redact(piece * (65_536 // len(piece)))
    assert time.perf_counter() - began < 3


def test_traceback_shows_no_secret_and_no_local_variable(stream: io.StringIO) -> None:
    logs.configure(2, stream=stream)

    def fail(credential: str) -> None:
        raise ValueError("refused: token=SECRET-1")

    try:
        fail("SECRET" + "-2")
    except ValueError:
        logger.exception("could not dial")
    assert "SECRET-" not in stream.getvalue()
    assert "could not dial" in stream.getvalue()
    assert "ValueError: refused: token=<redacted>" in stream.getvalue()


def test_known_secret_of_any_shape_is_blotted_out(stream: io.StringIO) -> None:
    logs.configure(secrets=["correct horse battery"], stream=stream)
    logger.info("the phrase is correct horse battery, and more")
    assert "the phrase is <redacted>, and more" in stream.getvalue()


def test_libraries_write_into_the_same_log(stream: io.StringIO) -> None:
    logs.configure(1, stream=stream)
    logging.getLogger("uvicorn.access").info('%s "GET /?token=%s"', "127.0.0.1", "SECRET-1")
    assert "uvicorn.access:" in stream.getvalue()
    assert '127.0.0.1 "GET /?token=<redacted>"' in stream.getvalue()


def test_only_warnings_of_libraries_are_seen_by_default(stream: io.StringIO) -> None:
    logs.configure(stream=stream)
    logging.getLogger("uvicorn.error").info("Application startup complete.")
    logging.getLogger("uvicorn.error").warning("slow")
    logger.debug("Generating TTS [hello]")
    assert "slow" in stream.getvalue()
    assert "startup" not in stream.getvalue()
    assert "hello" not in stream.getvalue()


def test_a_sink_that_pipecat_adds_later_is_redacted_too(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.configure(stream=io.StringIO())
    monkeypatch.setattr(sys, "stderr", stream)
    logger.remove()
    logger.add(sys.stderr, level="DEBUG")
    logger.debug("Received request: {'body': {'api_key': 'SECRET-1'}}")
    assert "Received request" in stream.getvalue()
    assert "SECRET-" not in stream.getvalue()


def test_sinks_of_others_show_no_known_secret_and_no_variable(stream: io.StringIO) -> None:
    logger.remove()
    logger.add(stream, level="TRACE", backtrace=True, diagnose=True)
    logs.keep_secret(["correct horse battery"])

    def fail(credential: str) -> None:
        raise ValueError("refused, you sent correct horse battery")

    try:
        fail("SECRET" + "-2")
    except ValueError:
        logger.exception("could not dial")
    assert "could not dial" in stream.getvalue()
    assert "ValueError: refused, you sent <redacted>" in stream.getvalue()
    assert "SECRET-" not in stream.getvalue()
    assert "horse" not in stream.getvalue()


def test_configuring_again_leaves_one_sink(stream: io.StringIO) -> None:
    for _ in range(3):
        logs.configure(stream=stream)
    logger.info("once")
    logging.getLogger("anyone").warning("also once")
    assert stream.getvalue().count("once") == 2


@pytest.mark.parametrize(("level", "verbosity"), [("", 0), ("DEBUG", 1), ("TRACE", 2), ("loud", 0)])
def test_a_level_of_loguru_has_a_verbosity(level: str, verbosity: int) -> None:
    assert logs.verbosity_of(level) == verbosity
