"""What can be asked for on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from launcher.command_line import parse

VARIABLES = [("GREETING", "what is said first")]


def test_without_a_command_it_serves() -> None:
    for words in ([], ["serve"]):
        options = parse(words, variables=VARIABLES)
        assert (options.command, options.port, options.bot) == ("serve", 7860, Path("bot.py"))
    assert parse(["--port", "80", "-v"], variables=VARIABLES).port == 80


def test_others_ask_one_that_runs() -> None:
    options = parse(["stop", "id", "--url", "https://bot.example.com"], variables=VARIABLES)
    assert (options.command, options.session) == ("stop", "id")
    assert options.url == "https://bot.example.com"


@pytest.mark.parametrize(
    "words", [["--port", "0"], ["--mode", "x"], ["nonsense"], ["stop"], ["--drain-s", "-1"]]
)
def test_what_makes_no_sense_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse(words, variables=VARIABLES)


def test_help_names_commands_and_settings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"], variables=VARIABLES)
    text = capsys.readouterr().out
    for word in ("serve", "start", "list", "stop", "drain", "key", "LAUNCHER_KEY", "GREETING"):
        assert word in text
