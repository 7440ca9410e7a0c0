"""Pins every package that an install brings: `uv run scripts/pin.py` (add `--check` to compare).

Writes `[tool.uv] constraint-dependencies` of `pyproject.toml` from a fresh resolution for all
systems and Python versions that are supported. Why there is no lock file beside it:
`docs/decisions/0002-pins-without-a-lock-file.md`.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"

_BLOCK = re.compile(r"^constraint-dependencies = \[\n.*?^\]\n", re.MULTILINE | re.DOTALL)
_PIN = re.compile(r"[a-z0-9-]+==[0-9a-z.+!]+( ; .+)?")


def resolve(project: str) -> list[str]:
    """Returns one `name==version` line, with a marker where it differs, per package."""
    table = tomllib.loads(project)
    extras = table["project"]["optional-dependencies"].values()
    groups = table["dependency-groups"].values()
    wanted = [each for part in (*extras, *groups) for each in part]
    wanted += table["project"]["dependencies"]
    lowest = table["project"]["requires-python"].removeprefix(">=")
    command = [
        *("uv", "pip", "compile", "-", "--universal", "--python-version", lowest, "--upgrade"),
        *("--quiet", "--no-config", "--no-header", "--no-annotate"),
        *("--no-emit-index-url", "--no-emit-find-links"),
    ]
    with tempfile.TemporaryDirectory() as folder:  # elsewhere, so that old pins do not count
        overrides = Path(folder) / "overrides.txt"
        overrides.write_text("\n".join(table["tool"]["uv"]["override-dependencies"]))
        command += ["--override", str(overrides)]
        compiled = subprocess.run(
            command, input="\n".join(wanted), cwd=folder, text=True, check=True, stdout=-1
        )
    lines = [line.strip() for line in compiled.stdout.splitlines() if line.strip()]
    if strange := [line for line in lines if not _PIN.fullmatch(line)]:
        raise SystemExit(f"not a pin of a released version: {strange}")
    return lines


def with_pins(project: str, pins: list[str]) -> str:
    """Returns the text of `pyproject.toml` with its pins replaced."""
    listed = "".join(f"    {_quoted(pin)},\n" for pin in pins)
    block = f"constraint-dependencies = [\n{listed}]\n"
    replaced, count = _BLOCK.subn(lambda _: block, project)
    if count != 1:
        raise SystemExit(f"{PROJECT} has no [tool.uv] constraint-dependencies to replace")
    return replaced


def _quoted(pin: str) -> str:
    return '"' + pin.replace('"', "'") + '"'


if __name__ == "__main__":
    old = PROJECT.read_text()
    new = with_pins(old, resolve(old))
    if "--check" in sys.argv:
        sys.exit("the pins are not those of a fresh resolution" if new != old else 0)
    PROJECT.write_text(new)
