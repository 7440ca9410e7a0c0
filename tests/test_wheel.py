"""The library, as others use it: built, installed where nothing of ours is, run, type-checked."""

from __future__ import annotations

import array
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = ("processors", "services", "transports")
PAPERS = ("METADATA", "RECORD", "WHEEL", "licenses/LICENSE")
DEADLINE_S = 300
"""For an install from an empty cache. From a full one all of this takes half a minute."""

pytestmark = pytest.mark.long

WRONG = """\
from avatarbot.transports.avatar.transport import AvatarTransport

AvatarTransport("no vendor")
"""


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a command that cannot see the checkout."""
    hidden = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONASYNCIODEBUG")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, timeout=DEADLINE_S, check=False
    )


def succeed(*command: str | Path, cwd: Path) -> bytes:
    """Run a command that must end well; returns what it wrote."""
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, done.stderr.decode()[-2_000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    succeed("uv", "build", "--wheel", "--out-dir", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment, in which the wheel is installed without its extra."""
    folder = tmp_path_factory.mktemp("elsewhere")
    succeed("uv", "venv", "--python", sys.executable, cwd=folder)
    (folder / "pins.txt").write_text("\n".join(PROJECT["tool"]["uv"]["constraint-dependencies"]))
    install(str(wheel), folder)
    return folder


def install(what: str, folder: Path) -> None:
    succeed("uv", "pip", "install", "--constraint", "pins.txt", what, cwd=folder)


def python(folder: Path) -> Path:
    scripts = "Scripts" if os.name == "nt" else "bin"
    return folder / ".venv" / scripts / "python"


def readme_bot() -> str:
    section = (ROOT / "README.md").read_text().split("### Use it in your own Pipecat bot")[1]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)[0]


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith("/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_the_wheel_holds_three_folders_under_one_name_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {*archive.namelist()}
    papers = {each for each in names if ".dist-info/" in each}
    sources = {path.relative_to(ROOT) for each in FOLDERS for path in (ROOT / each).rglob("*.py")}
    expected = {f"avatarbot/{path.as_posix()}" for path in sources}
    assert names - papers == expected | {"avatarbot/__init__.py", "avatarbot/py.typed"}
    assert {each.split("/", 1)[1] for each in papers} == {*PAPERS}
    assert wheel.name == f"avatarbot-{PROJECT['project']['version']}-py3-none-any.whl"


def test_the_wheel_asks_for_what_its_folders_need_and_for_no_more(wheel: Path) -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    expected = {*PROJECT["project"]["dependencies"]}
    expected |= {f"{each}; extra == '{name}'" for name in extras for each in extras[name]}
    asked = metadata(wheel).get_all("Requires-Dist") or []
    assert {*map(Requirement, asked)} == {*map(Requirement, expected)}


def test_without_the_extra_all_but_the_built_in_ears_and_voice_can_be_imported(
    elsewhere: Path,
) -> None:
    modules = [
        *("transports.avatar.transport", "transports.local", "transports.user_leg"),
        *("transports.avatar.journal", "transports.heygen"),
        *("processors.text_input", "processors.transcript", "processors.response_time"),
        "services.llm",
    ]
    program = "".join(f"import avatarbot.{each}\n" for each in modules)
    program += "import importlib.util\nassert not importlib.util.find_spec('espeakng_loader')\n"
    program += "assert not importlib.util.find_spec('transports')\n"
    succeed(python(elsewhere), "-c", program, cwd=elsewhere)


def test_the_bot_of_the_readme_speaks_and_ends(wheel: Path, elsewhere: Path) -> None:
    install(f"{wheel}[local]", elsewhere)
    (elsewhere / "hello.py").write_text(readme_bot())
    speech = array.array("h", succeed(python(elsewhere), "hello.py", cwd=elsewhere))
    assert len(speech) > 24_000  # samples: more than a second
    assert max(speech) > 3_000


def test_type_checkers_know_the_library(elsewhere: Path) -> None:
    (elsewhere / "hello.py").write_text(readme_bot())
    (elsewhere / "wrong.py").write_text(WRONG)
    checked = run(
        *(sys.executable, "-m", "mypy", "--strict", "--config-file="),
        *("--python-executable", python(elsewhere), "hello.py", "wrong.py"),
        cwd=elsewhere,
    ).stdout.decode()
    errors = [line for line in checked.splitlines() if ": error: " in line]
    assert [re.sub(r" .*\[", " [", each) for each in errors] == ["wrong.py:3: [arg-type]"], checked
