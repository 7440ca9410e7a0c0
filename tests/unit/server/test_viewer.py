"""The viewer: one file of npm's, a policy that names the vendor's rooms, and nothing without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from server.addresses import Addresses
from server.door import open_door
from server.errors import ViewerError
from server.headers import security_headers
from server.page import ASSETS, INDEX
from server.viewer import LIVEKIT_PATH, livekit

CLOUD = "https://api.liveavatar.com"
ORIGIN = "http://localhost:7860"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    for name in (INDEX, *ASSETS):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture
def installed(page: Path) -> Path:
    dist = page / "viewer" / "node_modules" / "livekit-client" / "dist"
    dist.mkdir(parents=True)
    (dist / "livekit-client.esm.mjs").write_text("export {}")
    return page


def test_one_that_is_not_installed_is_answered_with_the_one_command(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(page.parent)
    with pytest.raises(ViewerError) as told:
        livekit(page, CLOUD)
    assert str(told.value).endswith(f"run `npm ci --prefix {page.name}/viewer`.")


def connects_to(rooms: tuple[str, ...]) -> set[str]:
    policy = security_headers(ORIGIN, rooms)["content-security-policy"]
    [sources] = [each for each in policy.split("; ") if each.startswith("connect-src ")]
    return {*sources.split()[1:]}


def test_page_may_connect_to_the_vendors_rooms_and_to_those_of_an_emulator_here(
    installed: Path,
) -> None:
    alone = connects_to(())
    assert alone == {"'self'", "ws://localhost:7860"}
    cloud = connects_to(livekit(installed, CLOUD).rooms)
    assert cloud - alone == {"wss://*.livekit.cloud", "https://*.livekit.cloud"}
    here = connects_to(livekit(installed, "http://127.0.0.1:8300").rooms)
    assert here - cloud == {
        "ws://127.0.0.1:*",
        "http://127.0.0.1:*",
        "ws://localhost:*",
        "http://localhost:*",
    }


@pytest.mark.asyncio
async def test_file_is_served_only_where_a_vendor_needs_it(installed: Path) -> None:
    for viewer, status in ((livekit(installed, CLOUD), 200), (None, 404)):
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        open_door(
            app,
            page=installed,
            addresses=Addresses.of("localhost", 7860),
            transports={},
            session_secret=b"0" * 32,
            viewer=viewer,
        )
        async with AsyncClient(transport=ASGITransport(app), base_url=ORIGIN) as client:
            answer = await client.get(LIVEKIT_PATH)
            assert answer.status_code == status
            if viewer:
                assert answer.headers["content-type"].startswith("text/javascript")
                assert answer.text == "export {}"
