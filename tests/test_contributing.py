"""What the papers tell a newcomer to do works: CI or a test does the same."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "docs/library.md", "docs/zego.md")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEADLINE_S = 60

RUN_BY_A_TEST = {
    "make run": "tests/browser/visit.py",
    "uv run bot.py": "tests/browser/visit.py",
    "uv run --extra webrtc bot.py": "tests/browser/test_webrtc.py",
    "uv run --extra daily bot.py": "tests/emulated/test_rooms.py",
    "uv run --extra livekit bot.py": "tests/emulated/test_rooms.py",
    "uv run --extra deepgram bot.py": "tests/emulated/test_hearing.py",
    "uv run -m emulators.heygen --port 8300": "tests/emulated/test_heygen_emulator.py",
    "uv run -m emulators.zego --port 8301": "tests/emulated/test_zego_emulator_news.py",
    "uv run bot.py --tls-cert fullchain.pem --tls-key key.pem": "tests/emulated/test_tls.py",
    "uv run bot.py --help": "tests/test_contributing.py",
    "uv run -m launcher": "tests/emulated/test_launcher_whole.py",
    "uv run --extra webrtc -m launcher": "tests/emulated/test_launcher_door.py",
    "make help": "tests/test_contributing.py",
    "uv run pytest tests/unit/processors/test_cut_ins.py": "tests/test_contributing.py",
    "uv build --wheel": "tests/test_wheel.py",
    "uv pip install 'dist/avatarbot-0.1.0-py3-none-any.whl[local]'": "tests/test_wheel.py",
}
"""Commands that the papers name, and where the same is done."""

RUN_BY_HAND = {
    "make pins": "asks for new releases",
    "uvx pre-commit install": "changes the clone",
    "uv run benchmarks/conversation.py": "measures, for minutes",
    "uv run benchmarks/zego.py": "measures, for minutes",
    "uv run benchmarks/zego_turn.py": "measures, for minutes",
    "uv run --group peers python -m benchmarks.peers": "measures, for minutes",
}


def blocks(page: str) -> list[tuple[str, str]]:
    """The fenced blocks of a page: language and content."""
    return FENCED.findall((ROOT / page).read_text())


def commands(page: str) -> list[str]:
    """What a page tells its reader to type, in blocks without a language and between backticks."""
    typed = "\n".join(content for language, content in blocks(page) if not language)
    prose = FENCED.sub("", (ROOT / page).read_text())
    found = re.findall(r"^(?:uvx?|make)\b[^#\n]*", typed, re.MULTILINE)
    found += re.findall(r"`((?:uvx? |make\b)[^`\n]*)`", prose)
    return [each.strip() for each in found]


def done_by_ci() -> set[str]:
    """The commands of `.ci/run`, and the targets that it calls."""
    script = (ROOT / ".ci" / "run").read_text()
    lines = re.findall(r"^(?:if .* && )?((?:make|uv) [^;\n]*)", script, re.MULTILINE)
    targets = {f"make {each}" for line in lines if "make" in line for each in line.split()[1:]}
    return {line.removesuffix(" -q") for line in lines} | targets


def done_by_pytest(command: str) -> bool:
    """Whether it picks tests that there are."""
    picked = re.fullmatch(r"uv run pytest (tests/\S+)(?: -k (\w+))?", command)
    if not picked or not (ROOT / picked[1]).exists():
        return False
    path = ROOT / picked[1]
    files = [path] if path.is_file() else path.rglob("test_*.py")
    names = re.findall(r"def (test_\w+)", "".join(each.read_text() for each in files))
    return any((picked[2] or "") in name for name in names)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_papers_is_carried_out_somewhere(page: str) -> None:
    ci = done_by_ci()
    assert "uv run pytest" in ci  # which is all of `make test emulated browser`
    ci |= {"make", "make test", "make emulated", "make browser"}
    assert {f"make {each}" for each in TARGETS} <= ci | {*RUN_BY_A_TEST, *RUN_BY_HAND, "make all"}
    assert commands(page)
    for command in commands(page):
        known = command in ci or command in RUN_BY_A_TEST or command in RUN_BY_HAND
        assert known or done_by_pytest(command), command


def test_what_is_said_to_be_carried_out_is_asked_for_somewhere() -> None:
    asked = {command for page in PAGES for command in commands(page)}
    assert {*RUN_BY_A_TEST, *RUN_BY_HAND} <= asked
    assert all((ROOT / path).exists() for path in RUN_BY_A_TEST.values())


def test_make_help_explains_every_target() -> None:
    if not shutil.which("make"):
        pytest.skip("needs make")
    command = ["make", "--no-print-directory", "help"]  # make may have started this test
    shown = subprocess.check_output(command, cwd=ROOT, text=True, timeout=DEADLINE_S)
    assert {line.split()[1] for line in shown.splitlines()} == TARGETS
    assert all(len(line.split()) > 2 for line in shown.splitlines())
    assert {*re.findall(r"^\.PHONY: (.*)", MAKEFILE, re.MULTILINE)[0].split()} == TARGETS


def test_hooks_and_workflow_have_no_rules_of_their_own() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    called = re.findall(r"entry: (.*)", hooks)
    assert called
    assert {*called} <= {f"make {each}" for each in TARGETS}
    assert re.findall(r"repo: (.*)", hooks) == ["local"]
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert re.findall(r"- run: (.*)", workflow) == [".ci/run"]


@pytest.fixture
def pasted(tmp_path: Path) -> Path:
    """A copy of the checkout in which somebody followed "Add a processor" to the letter."""
    clone = tmp_path / "clone"
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".*", "node_modules", "dist"))
    section = CONTRIBUTING.split("### 3. Add a processor")[1].split("### 4.")[0]
    snippets = [content for language, content in FENCED.findall(section) if language == "python"]
    names = re.findall(r"`((?:processors|tests)/[\w/]+\.py)`", section)
    assert len(snippets) == len(names) == 2
    for name, snippet in zip(names, snippets, strict=True):
        (clone / name).write_text(snippet)
    bot = (clone / "bot.py").read_text()
    if "CutInProcessor" not in bot:  # or the tour was followed right here
        above, behind = (
            "from processors.response_time",
            "                ResponseTimeProcessor(),\n",
        )
        assert [bot.count(above), bot.count(behind)] == [1, 1]
        bot = bot.replace(above, f"from processors.cut_ins import CutInProcessor\n{above}")
        bot = bot.replace(behind, f"{behind}                CutInProcessor(),\n")
        (clone / "bot.py").write_text(bot)
    return clone


def test_a_processor_is_added_as_the_tour_says(pasted: Path) -> None:
    (command,) = [each for each in commands("CONTRIBUTING.md") if "cut_ins" in each]
    picked = command.removeprefix("uv run pytest ")
    house = ("tests/test_imports.py", "tests/test_library.py")
    for call in (
        ["pytest", "-q", picked, *house],
        ["ruff", "check", "bot.py", "processors", "tests"],
        ["ruff", "format", "--check", "bot.py", "processors", "tests"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *call],
            cwd=pasted,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_bot_with_the_added_processor_starts(pasted: Path) -> None:
    command = [sys.executable, "bot.py", "--help"]
    shown = subprocess.check_output(command, cwd=pasted, text=True, timeout=DEADLINE_S)
    assert "bot.py" in shown or "avatarbot" in shown
