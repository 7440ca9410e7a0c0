"""The page: the files of the manifest, read once, and never anything else of the checkout."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response

from .errors import PageError
from .viewer import Viewer

INDEX = "index.html"
ASSETS = (
    "announcer.js",
    "app.js",
    "call.js",
    "choices.js",
    "clean-up.js",
    "composer.js",
    "connection.js",
    "conversation.js",
    "devices.js",
    "face.css",
    "face.js",
    "icon.svg",
    "livekit-room.js",
    "liveliness.js",
    "meter.js",
    "microphone-worklet.js",
    "microphone.js",
    "mouth-shapes.js",
    "mouth.js",
    "notices.js",
    "observability.js",
    "peer.js",
    "playback-worklet.js",
    "playback.js",
    "playhead.js",
    "poses.js",
    "reconnection.js",
    "remote-voice.js",
    "room-client.js",
    "sound.js",
    "start.js",
    "status.js",
    "style.css",
    "viewer.js",
    "visemes.js",
    "zego-microphone.js",
    "zego-room.js",
    "zego-talk.js",
)
"""What `/assets/…` serves. `index.html` is served at `/`."""

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    etag: str

    def response(self, request: Request) -> Response:
        headers = {"etag": self.etag, "cache-control": "no-cache"}
        # A proxy that compresses it calls the tag a weak one.
        if request.headers.get("if-none-match", "").removeprefix("W/") == self.etag:
            return Response(status_code=304, headers=headers)
        return Response(self.content, media_type=self.media_type, headers=headers)


def page_paths() -> tuple[str, ...]:
    """The paths under which the page's files are served."""
    return ("/", *(f"/assets/{name}" for name in ASSETS))


def register_page(app: FastAPI, folder: Path, viewer: Viewer | None = None) -> None:
    """Adds the page's routes, ahead of those that Pipecat's runner adds later.

    Raises:
        PageError: A file of the manifest, or the viewer's, is missing, or is a link.
    """
    router = APIRouter(include_in_schema=False)
    files = zip(page_paths(), (folder / name for name in (INDEX, *ASSETS)), strict=True)
    for path, file in (*files, *([(viewer.path, viewer.file)] if viewer else [])):
        served = _read(file)
        router.add_api_route(path, served.response, methods=["GET", "HEAD"], name=file.name)
    app.include_router(router)


def _read(path: Path) -> _File:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with open(descriptor, "rb") as reader:
            content = reader.read()
    except OSError as error:
        raise PageError(f"{path} cannot be served: {error.strerror}.") from None
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return _File(content, _TYPES[path.suffix], etag)
