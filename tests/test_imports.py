"""Who may import whom: `bot.py` composes, folders do not know each other."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ALLOWED: dict[str, set[str]] = {
    "processors": set(),
    "transports": set(),
    "services": set(),
    "tools": set(),
    "server": set(),
    "session": set(),
    "launcher": {"transports", "server"},
    "emulators": set(),
    "library": set(),
    "settings": set(),
    "faces": {"settings", "transports"},
    "logs": set(),
}
"""Our own packages and modules, each with those of the others that it may import."""

OUTER = {"bot", "benchmarks", "scripts", "tests"}
"""What nothing in the product imports."""

COMPOSING = {"launcher/__main__.py": {"settings", "faces", "logs"}}
"""What puts parts together besides `bot.py`, and what it may import for that."""

NEUTRAL = ("core", "session", "vendor", "wire", "rest", "journal")
"""Modules of `transports` that do not know Pipecat."""


def sources(name: str) -> list[Path]:
    module = ROOT / f"{name}.py"
    return [module] if module.exists() else sorted((ROOT / name).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Returns the dotted names that a file imports, relative ones as if they were absolute."""
    package = path.relative_to(ROOT).parts[:-1]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            start = ".".join([*base, *([node.module] if node.module else [])])
            names |= {start, *(f"{start}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("name", ALLOWED)
def test_imports_point_one_way(name: str) -> None:
    others = ({*ALLOWED} | OUTER) - {name}
    for path in sources(name):
        used = {each.split(".")[0] for each in imported(path)}
        more = COMPOSING.get(str(path.relative_to(ROOT)), set())
        assert used & others <= ALLOWED[name] | more, path


@pytest.mark.parametrize("name", ALLOWED)
def test_imports_inside_a_folder_are_relative(name: str) -> None:
    """In the wheel the folders have other names: an absolute import would not find them there."""
    for path in sources(name):
        absolute: list[str] = []
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                absolute += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                absolute.append(node.module or "")
        assert name not in {each.split(".")[0] for each in absolute}, path


def test_vendor_folders_know_the_avatar_and_never_each_other() -> None:
    folders = [path.name for path in (ROOT / "transports").iterdir() if path.is_dir()]
    for path in sources("transports"):
        own = path.relative_to(ROOT / "transports").parts[0]
        others = {f"transports.{each}" for each in folders if each not in (own, "avatar")}
        others |= {"transports.avatar"} - {f"transports.{own}"} if own == "websocket" else set()
        others -= {f"transports.{own}"}
        used = {".".join(each.split(".")[:2]) for each in imported(path)}
        assert not used & others, path
        if own == "avatar":
            assert not used & {f"transports.{each}" for each in folders} - {"transports.avatar"}


def test_what_decides_and_what_talks_to_a_vendor_does_not_know_pipecat() -> None:
    for path in sources("transports"):
        if path.stem in NEUTRAL:
            assert "pipecat" not in {each.split(".")[0] for each in imported(path)}, path


def test_a_vendor_can_be_loaded_without_pipecat() -> None:
    """Who stops what a dead bot has left open does not wait for Pipecat to load."""
    modules = "transports.avatar.session, transports.local, transports.heygen"
    program = f"import sys, {modules}; print('pipecat' in sys.modules)"
    command = [sys.executable, "-c", program]
    assert subprocess.check_output(command, cwd=ROOT, text=True, timeout=60) == "False\n"


def test_who_ends_what_dead_sessions_leave_does_not_load_pipecat() -> None:
    program = "import sys, faces, launcher.reaper, launcher.slots; print('pipecat' in sys.modules)"
    command = [sys.executable, "-c", program]
    assert subprocess.check_output(command, cwd=ROOT, text=True, timeout=60) == "False\n"


def test_every_package_is_listed() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    modules = {path.stem for path in ROOT.glob("*.py")}
    assert (packages | modules) - OUTER <= {*ALLOWED}
