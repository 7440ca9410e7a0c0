"""Behind a reverse proxy: nginx, with the configuration that the README shows."""

import asyncio
import base64
import gzip
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
import trustme
from websockets.exceptions import InvalidStatus

from server.page import ASSETS, INDEX
from tests.emulated.serving import DEADLINE_S, ROOT, Place, Server, calling, free_port

NAME = "bot.example.com"
PUBLIC = f"https://{NAME}"
PASSWORD = base64.b64encode(b"anna:pass").decode()

AROUND = """\
daemon off;
master_process off;
pid {folder}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/a;
    proxy_temp_path {folder}/b;
    fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d;
    scgi_temp_path {folder}/e;
    {site}
}}
"""


@pytest.fixture(scope="module")
def nginx() -> str:
    path = shutil.which("nginx", path=os.pathsep.join((os.environ["PATH"], "/usr/sbin")))
    if not path and os.environ.get("AVATARBOT_REQUIRE_NGINX") == "1":
        pytest.fail("AVATARBOT_REQUIRE_NGINX is set and no nginx is installed")
    if not path:
        pytest.skip("needs nginx (apt install nginx-light)")
    return path


def readme_site(folder: Path, port: int, upstream: int) -> str:
    """The README's configuration with this machine's ports and files."""
    found = re.search(r"```nginx\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found, "README.md shows no nginx configuration"
    site = found[1]
    for shown, here in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("/etc/ssl/bot.example.com/", f"{folder}/"),
        ("/etc/nginx/avatarbot.users", f"{folder}/users"),
        ("http://127.0.0.1:7860", f"http://127.0.0.1:{upstream}"),
    ):
        assert shown in site
        site = site.replace(shown, here)
    return site


def run_nginx(nginx: str, folder: Path, port: int, upstream: int) -> subprocess.Popen[bytes]:
    """Starts nginx; returns once it answers."""
    (folder / "users").write_text("anna:{PLAIN}pass\n")
    file = folder / "nginx.conf"
    file.write_text(AROUND.format(folder=folder, site=readme_site(folder, port, upstream)))
    command = [nginx, "-p", str(folder), "-c", str(file), "-e", "stderr"]
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionError:
            assert process.poll() is None, (folder / "nginx.log").read_text()
            assert time.monotonic() < deadline, "nginx did not start"
        else:
            return process


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("proxy")


@pytest.fixture(scope="module")
def trusting(folder: Path) -> ssl.SSLContext:
    """A browser's trust, in a certificate that lies where nginx looks for it."""
    authority = trustme.CA()
    leaf = authority.issue_cert(NAME)
    (folder / "fullchain.pem").write_bytes(b"".join(each.bytes() for each in leaf.cert_chain_pems))
    (folder / "key.pem").write_bytes(leaf.private_key_pem.bytes())
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="module")
def public(nginx: str, folder: Path, trusting: ssl.SSLContext) -> Iterator[Place]:
    """The real bot behind nginx, as somebody who has signed in reaches it."""
    port, upstream = free_port(), free_port()
    server = Server(
        *("bot.py", "--port", str(upstream), "-vv"),
        PUBLIC_URL=PUBLIC,
        TRUSTED_PROXIES="127.0.0.1",
        GREETING="Hello.",
        XDG_STATE_HOME=str(folder / "state"),
    )
    server.opened()
    proxy = run_nginx(nginx, folder, port, upstream)
    yield Place(PUBLIC, port, trusting, {"Authorization": f"Basic {PASSWORD}"})
    proxy.terminate()
    proxy.wait(DEADLINE_S)
    server.stop()
    assert "Traceback" not in server.log
    assert "eyJ" not in server.log, "a ticket was logged"


def test_page_comes_through_and_stays_with_https(public: Place) -> None:
    status, headers, body = public.ask("GET", "/")
    assert (status, body) == (200, (ROOT / "web" / INDEX).read_bytes())
    assert f" wss://{NAME};" in headers["content-security-policy"]
    assert headers["strict-transport-security"] == "max-age=31536000"


def test_proxy_compresses_the_page_and_asks_again_only_when_it_changed(public: Place) -> None:
    wish = {"Accept-Encoding": "gzip"}
    status, headers, body = public.ask("GET", "/assets/app.js", **wish)
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert gzip.decompress(body) == (ROOT / "web" / "app.js").read_bytes()
    known = {"If-None-Match": headers["etag"]}
    assert public.ask("GET", "/assets/app.js", **wish, **known)[0] == 304


def test_proxy_asks_everybody_to_sign_in(public: Place) -> None:
    stranger = Place(public.origin, public.port, public.tls)
    assert stranger.ask("GET", "/")[0] == 401
    assert stranger.ask("POST", "/start", b"{}")[0] == 401


@pytest.mark.asyncio
async def test_conversation_comes_through(public: Place) -> None:
    assert public.start()["wsUrl"] == f"wss://{NAME}/ws-client"
    async with calling(public) as call:
        await call.answer_to("My name is Anna")
        assert "Anna" in await call.answer_to("What is my name?")


@pytest.mark.parametrize("host", ["evil.example", "localhost", f"{NAME}.evil.example"])
def test_other_names_are_refused_through_it(public: Place, host: str) -> None:
    assert public.ask("GET", "/", Host=host)[0] == 403
    assert public.ask("POST", "/start", b"{}", Host=host)[0] == 403


@pytest.mark.parametrize("origin", ["https://evil.example", f"http://{NAME}", "null"])
@pytest.mark.asyncio
async def test_other_origins_are_refused_through_it(public: Place, origin: str) -> None:
    assert public.ask("POST", "/start", b"{}", Origin=origin)[0] == 403
    with pytest.raises(InvalidStatus) as refusal:
        await public.dial(public.start()["token"], origin=origin)
    assert refusal.value.response.status_code == 403


@pytest.mark.asyncio
async def test_ticket_is_asked_for_where_the_password_is_not(public: Place) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await public.dial("e30.c2lnbmF0dXJl")
    assert refusal.value.response.status_code == 403


# What follows needs no nginx: whose word counts, and who may connect.

FORGED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Real-IP": "203.0.113.9",
    "Forwarded": "for=203.0.113.9;host=evil.example;proto=https",
}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web")
    for name in (INDEX, *ASSETS):
        (folder / name).write_text(f"<!-- {name} -->")
    return folder


def serve(page: Path, port: int, *arguments: str, **environment: str) -> Server:
    command = ("-m", "tests.emulated.standin_bot", "--port", str(port), *arguments)
    state = {"PAGE": str(page), "XDG_STATE_HOME": str(page / "state")}
    server: Server = Server(*command, **state, **environment).opened()
    return server


@pytest.mark.parametrize(("trusted", "client"), [("", "127.0.0.1"), ("127.0.0.1", "203.0.113.9")])
@pytest.mark.asyncio
async def test_only_a_trusted_proxy_says_who_the_person_is(
    page: Path, trusted: str, client: str
) -> None:
    port = free_port()
    server = await asyncio.to_thread(serve, page, port, TRUSTED_PROXIES=trusted)
    place = Place(f"http://localhost:{port}", port)
    try:
        status, headers, body = place.ask("POST", "/start", b"{}", **FORGED)
        assert status == 200
        assert json.loads(body)["wsUrl"] == f"ws://localhost:{port}/ws-client"
        assert "evil.example" not in headers["content-security-policy"]
        async with (
            asyncio.timeout(DEADLINE_S),
            place.dial(json.loads(body)["token"], additional_headers=FORGED) as wire,
        ):
            seen = json.loads(await wire.recv())
        assert seen["client"] == client
        assert ("x-forwarded-for" in seen["headers"]) == bool(trusted)
        assert place.ask("GET", "/", Host="evil.example", **FORGED)[0] == 403
    finally:
        server.stop()


def test_beyond_loopback_only_trusted_proxies_get_an_answer(page: Path) -> None:
    port = free_port()
    environment = {"PUBLIC_URL": PUBLIC, "TRUSTED_PROXIES": "127.0.0.2"}
    server = serve(page, port, "--host", "0.0.0.0", **environment)
    try:
        assert server.output == [f"avatarbot is at {PUBLIC} (Ctrl-C ends it)\n"]

        def status(peer: str, **headers: str) -> int:
            connection = HTTPConnection("127.0.0.1", port, DEADLINE_S, source_address=(peer, 0))
            connection.request("GET", "/", headers={"Host": NAME} | headers)
            with connection.getresponse() as response:
                connection.close()
                return response.status

        assert status("127.0.0.2") == 200
        assert status("127.0.0.1") == 403
        assert status("127.0.0.3", **{"X-Forwarded-For": "127.0.0.2"}) == 403
        assert status("127.0.0.2", Host=f"localhost:{port}") == 403
    finally:
        server.stop()
