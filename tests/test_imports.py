"""Who may import whom: `bot.py` composes, folders do not know each other."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ALLOWED: dict[str, set[str]] = {
    "processors": set(),
    "transports": set(),
    "services": set(),
    "tools": set(),
    "server": set(),
    "launcher": {"transports"},
    "emulators": set(),
    "settings": set(),
    "logs": set(),
}
"""Our own packages and modules, each with those of the others that it may import."""

OUTER = {"bot", "benchmarks", "scripts", "tests"}
"""What nothing in the product imports."""

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
        assert used & others <= ALLOWED[name], path


@pytest.mark.parametrize("name", ALLOWED)
def test_imports_inside_a_folder_are_relative(name: str) -> None:
    for path in sources(name):
        nodes = ast.walk(ast.parse(path.read_text()))
        absolute = [n.module for n in nodes if isinstance(n, ast.ImportFrom) and not n.level]
        assert not [each for each in absolute if each and each.split(".")[0] == name], path


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


def test_every_package_is_listed() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    modules = {path.stem for path in ROOT.glob("*.py")}
    assert (packages | modules) - OUTER <= {*ALLOWED}
