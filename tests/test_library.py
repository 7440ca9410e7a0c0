"""What the library promises: `docs/library.md` names it, and its docstrings say what it takes."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "library.md").read_text()


def promised() -> dict[str, set[str]]:
    """Modules and their names, as the page's table has them; an empty cell is the one above."""
    names: dict[str, set[str]] = {}
    module = ""
    for first, second in re.findall(r"^\| (`[a-z_.]+`|) ?\| (`[^|]*) \|", PAGE, re.MULTILINE):
        module = first.strip("`") or module
        names.setdefault(module, set()).update(re.findall(r"`(\w+)`", second))
    return names


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """Pipecat 1.14 warns of a deprecated class of its own while its TTS service is imported."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        importlib.import_module("services.tts")


def parameters(thing: Any) -> set[str]:
    """What its author has to hand over."""
    if dataclasses.is_dataclass(thing):
        own = vars(thing).get("__annotations__", {})
        return {each.name for each in dataclasses.fields(thing) if each.name in own}
    call = vars(thing).get("__init__") if inspect.isclass(thing) else thing
    if not inspect.isfunction(call):
        return set()
    return {*inspect.signature(call).parameters} - {"self", "args", "kwargs"}


def test_the_page_names_what_the_modules_export_and_nothing_else() -> None:
    table = promised()
    assert table
    for module, names in table.items():
        assert {*importlib.import_module(module).__all__} == names, module


def test_every_module_that_exports_is_on_the_page() -> None:
    for folder in ("processors", "services", "transports"):
        for path in (ROOT / folder).rglob("*.py"):
            if "\n__all__ = " in path.read_text():
                module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                assert module.removesuffix(".__init__") in promised()


@pytest.mark.parametrize("module", promised())
def test_what_is_promised_is_documented(module: str) -> None:
    for name in promised()[module]:
        thing = getattr(importlib.import_module(module), name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            check_documented(f"{module}.{name}", thing)


def check_documented(name: str, thing: Any) -> None:
    own = [thing.__doc__, getattr(vars(thing).get("__init__"), "__doc__", None)]
    text = "\n".join(each for each in own if each)
    assert text, name
    assert not re.match(rf"{thing.__name__}\(", text), f"{name} has no docstring of its own"
    told = {*re.findall(r"^ +(\w+):|`(\w+)`", text, re.MULTILINE)}
    missing = parameters(thing) - {each for pair in told for each in pair}
    assert not missing, f"{name} does not say what {missing} is"
    for method, value in vars(thing).items() if inspect.isclass(thing) else ():
        if not method.startswith("_") and inspect.isfunction(value):
            assert inspect.getdoc(getattr(thing, method)), f"{name}.{method}"


def test_the_page_shows_the_bot_of_the_readme() -> None:
    shown = re.findall(r"```python\n.*?```", PAGE, re.DOTALL)
    assert len(shown) == 1
    assert shown[0] in (ROOT / "README.md").read_text()
