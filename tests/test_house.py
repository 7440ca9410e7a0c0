"""The house: what is committed, what is pinned, and that papers and code say the same."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import faces
import settings
from server.page import ASSETS, INDEX
from server.viewer import CLIENTS
from services import providers

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]

PIN = re.compile(r"(?P<name>[a-z0-9-]+)==[0-9a-z.+!]+( ; .+)?")
ADDRESS = re.compile(
    r"""
      \bindex-url["']?\s*[=:\s]\s*["']?\w+: | \[\[tool\.uv\.index\]\] | \bfind-links\s*=
    | ^resolved\b | "resolved"\s*: | "registry"\s*: | ^registry\s*=
    | https?://[^\s"']*(?:/simple\b|pypi\.org/(?!project)|files\.pythonhosted|registry\.npmjs)
    """,
    re.VERBOSE | re.MULTILINE,
)


def committed() -> list[Path]:
    """Returns the files that are, or would be, in git."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def normal(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def library() -> list[str]:
    """What the wheel asks for, its extras included."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    return [*PROJECT["project"]["dependencies"], *(each for extra in extras for each in extra)]


def product() -> list[str]:
    """What the library and `bot.py` ask for."""
    return [*library(), *PROJECT["dependency-groups"]["bot"]]


def pins() -> set[str]:
    return {normal(each) for each in PROJECT["tool"]["uv"]["constraint-dependencies"]}


def test_no_committed_file_holds_a_registry_address() -> None:
    for path in committed():
        if path.suffix in (".png", ".wav", ".svg") or path == Path(__file__):
            continue
        found = ADDRESS.search(path.read_text(errors="replace"))
        assert not found, f"{path}: {found and found[0]}"


def test_no_lock_file_and_no_secret_file_is_committed() -> None:
    names = {path.name for path in committed()}
    assert not names & {"uv.lock", ".env", "ticket.key", "poetry.lock", "pip.conf", "uv.toml"}


def test_every_pin_is_exact() -> None:
    for pin in PROJECT["tool"]["uv"]["constraint-dependencies"]:
        assert PIN.fullmatch(pin), pin


def test_direct_dependencies_are_ranges_and_pinned() -> None:
    groups = PROJECT["dependency-groups"]
    direct = [*product(), *groups["dev"], *groups["peers"]]
    direct += [each for extra in EXTRAS.values() for each in extra]
    assert not [each for each in direct if "==" in each or re.fullmatch(r"[\w.\[\]-]+", each)]
    assert {normal(each) for each in direct} <= pins()


def test_bot_gets_the_parts_that_the_library_has_as_an_extra() -> None:
    local = PROJECT["project"]["optional-dependencies"]["local"]
    assert {*local} <= {*PROJECT["dependency-groups"]["bot"]}
    assert PROJECT["tool"]["uv"]["default-groups"] == ["bot", "dev"]


def test_everything_that_the_lock_resolves_to_is_pinned() -> None:
    lock = ROOT / "uv.lock"
    if not lock.exists():
        pytest.skip("no uv.lock: this environment was not made by uv")
    locked = {each["name"] for each in tomllib.loads(lock.read_text())["package"]}
    assert locked - {"avatarbot"} <= pins()


def test_every_import_of_another_project_is_a_direct_dependency() -> None:
    called = {"dotenv": "python-dotenv", "pipecat": "pipecat-ai"}
    wheel = ("processors", "services", "transports")
    emulators = [*product(), *PROJECT["dependency-groups"]["dev"]]
    for path in committed():
        top = path.relative_to(ROOT).parts[0]
        if path.suffix != ".py" or top in ("tests", "benchmarks", "scripts"):
            continue
        asked = {"emulators": emulators, **dict.fromkeys(wheel, library())}.get(top, product())
        direct = {normal(each) for each in asked}
        for name in re.findall(r"^\s*(?:from|import) ([a-z_]\w*)", path.read_text(), re.MULTILINE):
            if normal(called.get(name, name)) in pins():
                assert normal(called.get(name, name)) in direct, f"{path} imports {name}"


def test_readme_names_every_provider_its_settings_and_its_extra() -> None:
    text = (ROOT / "README.md").read_text()
    for row in [*providers.STT.values(), *providers.LLM.values(), *providers.TTS.values()]:
        for name in re.findall(r"[A-Z]+_[A-Z_]+", f"{row.key} {row.choices}"):
            assert f"`{name}`" in text
        assert not row.extra or (row.extra in EXTRAS and f"--extra {row.extra} " in text)


def test_readme_names_every_face_and_its_settings() -> None:
    text = (ROOT / "README.md").read_text()
    for name, face in {**faces.FACES, **faces.AGENTS}.items():
        assert f"AVATAR={name}" in text or f"`{name}`" in text
        for variable in re.findall(r"[A-Z]+_[A-Z_]+", f"{face.key} {face.choices}"):
            assert variable in text


def test_settings_and_table_know_the_same_providers() -> None:
    known = {"stt": providers.STT, "llm": providers.LLM, "tts": providers.TTS}
    assert {part: {*rows} - {"local"} for part, rows in known.items()} == {
        part: {*able} for part, able in settings.PROVIDERS.items()
    }


def test_manifest_is_what_the_page_consists_of() -> None:
    on_disk = {path.name for path in (ROOT / "web").iterdir() if path.is_file()}
    assert {INDEX, *ASSETS} == on_disk
    assert list(ASSETS) == sorted(ASSETS)
    assert not [path for path in (ROOT / "web").iterdir() if path.is_symlink()]


def test_page_asks_for_nothing_that_is_not_in_the_manifest() -> None:
    clients = [each.path.rpartition("/")[2] for each in CLIENTS.values()]
    for name in (INDEX, *ASSETS):
        text = (ROOT / "web" / name).read_text()
        for path in re.findall(r"/assets/([\w.-]+)", text):
            assert path in (*ASSETS, *clients), f"{name} asks for {path}"
        if name.endswith(".js"):
            for path in re.findall(r"""(?:from|import)\s*\(?["']\./([\w.-]+)["']""", text):
                assert path in ASSETS, f"{name} imports {path}"


def test_page_has_no_inline_script_and_asks_no_other_server() -> None:
    index = (ROOT / "web" / INDEX).read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|<style|\sstyle=|javascript:", index)
    for name in (INDEX, *ASSETS):
        text = (ROOT / "web" / name).read_text()
        outside = re.findall(r"""(?:https?|wss?)://[\w.-]+""", text)
        assert not [each for each in outside if "www.w3.org" not in each], name


def test_versions_agree() -> None:
    written = re.findall(r'^VERSION = "([^"]+)"', (ROOT / "bot.py").read_text(), re.MULTILINE)
    assert written == [PROJECT["project"]["version"]]


def test_licences_page_names_every_direct_dependency() -> None:
    text = (ROOT / "docs" / "licences.md").read_text()
    for each in [*product(), *PROJECT["dependency-groups"]["dev"]]:
        assert f"| {normal(each)} |" in text, "run scripts/licences.py"


def test_makefile_is_what_ci_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert re.search(r"^make style types$", script, re.MULTILINE)
    assert re.search(r"^make wheel$", script, re.MULTILINE)
    assert re.search(r"^uv run pytest", script, re.MULTILINE)
    assert "AVATARBOT_REQUIRE_BROWSER=1" in script
    assert "AVATARBOT_REQUIRE_NGINX=1" in script
