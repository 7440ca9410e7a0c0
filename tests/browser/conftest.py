"""What every test in a browser needs: a bot, and a room in which nobody speaks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.browser.visit import record, running_bot


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address() -> AsyncIterator[str]:
    async with running_bot() as address:
        yield address


@pytest.fixture
def silence(tmp_path: Path) -> Path:
    record(tmp_path / "silence.wav", [60.0])
    return tmp_path / "silence.wav"
