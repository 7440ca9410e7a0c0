"""What every test gets: a loop that fits its folder, and a watch over the logs."""

import asyncio
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from loguru import logger

from tests.unit.virtual import VirtualLoop

# Pipecat 1.14 warns of a deprecated class of its own while this module is imported.
with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
    import pipecat.services.tts_service  # noqa: F401

TESTS = Path(__file__).parent
CANARY = "SECRET-"

# Without `Phase.explain`: it traces every line, which takes minutes for a long random day.
PHASES = tuple(phase for phase in Phase if phase is not Phase.explain)
hypothesis_settings.register_profile(
    "ci", max_examples=60, deadline=None, phases=PHASES, derandomize=True
)
hypothesis_settings.register_profile("long", max_examples=3_000, deadline=None, phases=PHASES)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="also run tests marked long, and Hypothesis for longer"
    )


def pytest_configure(config: pytest.Config) -> None:
    hypothesis_settings.load_profile("long" if config.getoption("--long") else "ci")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    virtual = item.path.is_relative_to(TESTS / "unit") and not item.get_closest_marker("real_loop")
    return {"virtual": VirtualLoop} if virtual else {"real": asyncio.new_event_loop}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(TESTS / "browser"):
            item.add_marker(pytest.mark.browser)
        if item.get_closest_marker("long") and not config.getoption("--long"):
            item.add_marker(pytest.mark.skip(reason="runs with --long"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser") and not find_chromium():
        if os.environ.get("AVATARBOT_REQUIRE_BROWSER") == "1":
            pytest.fail("AVATARBOT_REQUIRE_BROWSER is set and no Chromium is installed")
        pytest.skip("needs Chromium (apt install chromium, or set CHROMIUM to its path)")


def find_chromium() -> str | None:
    """The path of an installed Chromium or Chrome, or None. `CHROMIUM` names another one."""
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if name and (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser that tests under `tests/browser` drive."""
    path = find_chromium()
    assert path, "a test that uses this fixture belongs under tests/browser"
    return path


@pytest.fixture(autouse=True)
def no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fails the test when a canary shows up in any log line, at any level."""
    logger.configure(patcher=lambda record: None)  # whatever a bot of a test before blots out
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE", format="{message} {extra}\n{exception}")
    yield
    # A test that configures the logs takes all sinks away, and looks at its own instead.
    with suppress(ValueError):
        logger.remove(sink)
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    lines += [record.getMessage() for record in records]
    leaked = [line for line in lines if CANARY in line]
    assert not leaked, f"a secret was logged: {leaked[0][:200]}"
