"""The viewer: one file of npm's, a policy that names the vendor's rooms, and nothing without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from faces import FACES
from server.addresses import Addresses
from server.door import open_door
from server.errors import ViewerError
from server.headers import security_headers
from server.page import ASSETS, INDEX
from server.viewer import CLIENTS, if_installed, installed

CLOUD = "https://api.liveavatar.com"
HERE = "http://127.0.0.1:8300"
ORIGIN = "http://localhost:7860"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    for name in (INDEX, *ASSETS):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture
def furnished(page: Path) -> Path:
    for client in CLIENTS.values():
        file = page / "viewer" / "node_modules" / client.file
        file.parent.mkdir(parents=True)
        file.write_text(client.package)
    return page


@pytest.mark.parametrize("kind", CLIENTS)
def test_one_that_is_not_installed_is_answered_with_the_one_command(
    kind: str, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(page.parent)
    with pytest.raises(ViewerError, match=CLIENTS[kind].package) as told:
        installed(page, kind, CLOUD)
    assert str(told.value).endswith(f"run `npm ci --prefix {page.name}/viewer`.")
    assert if_installed(page, kind, CLOUD) is None


def test_none_is_looked_for_where_the_page_draws_the_face(furnished: Path) -> None:
    assert if_installed(furnished, None, None) is None


def test_every_face_is_in_a_kind_of_room_that_can_be_shown() -> None:
    assert {face.viewer for face in FACES.values()} <= {*CLIENTS}


def connects_to(rooms: tuple[str, ...]) -> set[str]:
    policy = security_headers(ORIGIN, rooms)["content-security-policy"]
    [sources] = [each for each in policy.split("; ") if each.startswith("connect-src ")]
    return {*sources.split()[1:]}


def test_page_may_connect_to_the_vendors_rooms_and_to_those_of_an_emulator_here(
    furnished: Path,
) -> None:
    alone = connects_to(())
    assert alone == {"'self'", "ws://localhost:7860"}
    cloud = connects_to(installed(furnished, "livekit", CLOUD).rooms)
    assert cloud - alone == {"wss://*.livekit.cloud", "https://*.livekit.cloud"}
    here = connects_to(installed(furnished, "livekit", HERE).rooms)
    assert here - cloud == {
        "ws://127.0.0.1:*",
        "http://127.0.0.1:*",
        "ws://localhost:*",
        "http://localhost:*",
    }


def test_page_may_connect_to_zegos_rooms_and_to_nothing_here(furnished: Path) -> None:
    sources = connects_to(installed(furnished, "zego", HERE).rooms) - connects_to(())
    assert all(each.startswith("wss://*.") for each in sources)
    assert {each.rpartition("*.")[2] for each in sources} == {
        "zego.im",
        "zegocloud.com",
        "coolbcloud.com",
        "coolfcloud.com",
        "coolgcloud.com",
        "coolzcloud.com",
    }


def test_page_may_connect_to_the_room_that_the_settings_name(furnished: Path) -> None:
    usual = connects_to(installed(furnished, "zego", CLOUD).rooms)
    named = installed(furnished, "zego", CLOUD, "wss://rtc.example.com:8443/ws").rooms
    assert connects_to(named) - usual == {
        "wss://rtc.example.com:8443",
        "https://rtc.example.com:8443",
    }


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", CLIENTS)
async def test_file_is_served_only_where_a_vendor_needs_it(kind: str, furnished: Path) -> None:
    for viewer, status in ((installed(furnished, kind, CLOUD), 200), (None, 404)):
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        open_door(
            app,
            page=furnished,
            addresses=Addresses.of("localhost", 7860),
            transports={},
            session_secret=b"0" * 32,
            viewer=viewer,
        )
        async with AsyncClient(transport=ASGITransport(app), base_url=ORIGIN) as client:
            answer = await client.get(CLIENTS[kind].path)
            assert answer.status_code == status
            if viewer:
                assert answer.headers["content-type"].startswith("text/javascript")
                assert answer.text == CLIENTS[kind].package
            others = [each for each in CLIENTS.values() if each is not CLIENTS[kind]]
            assert {(await client.get(each.path)).status_code for each in others} == {404}
