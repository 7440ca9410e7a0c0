"""The command line."""

from pathlib import Path

import pytest

from server.cli import Options, parse
from server.tls import TlsFiles


def read(*arguments: str) -> Options:
    return parse(arguments, version="1.2.3", variables=[("GREETING", "what is said first")])


def test_nothing_has_to_be_said() -> None:
    assert read() == Options("localhost", 7860, 0)


def test_everything_can_be_said() -> None:
    assert read("--host", "::1", "--port", "80", "-vv") == Options("::1", 80, 2)


def test_certificate_and_key_go_together(capsys: pytest.CaptureFixture[str]) -> None:
    both = read("--tls-cert", "chain.pem", "--tls-key", "key.pem")
    assert both.tls == TlsFiles(Path("chain.pem"), Path("key.pem"))
    for one in ("--tls-cert", "--tls-key"):
        with pytest.raises(SystemExit) as leaving:
            read(one, "some.pem")
        assert leaving.value.code == 2
        assert "give both, or none" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "-1", "65536", "http", "7860 ", "9" * 5_000, "१"])
def test_wrong_port_is_named(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        read(f"--port={port}")
    assert leaving.value.code == 2
    assert "takes a number from 1 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argument", "words"),
    [("--version", ["avatarbot 1.2.3"]), ("--help", ["--host", "--port", "GREETING"])],
)
def test_help_and_version(
    argument: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        read(argument)
    assert leaving.value.code == 0
    text = capsys.readouterr().out
    assert all(word in text for word in words)
