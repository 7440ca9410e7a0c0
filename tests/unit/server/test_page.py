"""The page: only the manifest, and only plain files."""

import os
from pathlib import Path

import pytest
from fastapi import FastAPI

from server.errors import PageError
from server.page import ASSETS, INDEX, page_paths, register_page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (INDEX, *ASSETS):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_every_file_has_a_path_and_nothing_else_has(folder: Path) -> None:
    app = FastAPI(openapi_url=None)
    register_page(app, folder)
    assert page_paths() == ("/", *(f"/assets/{name}" for name in ASSETS))
    assert app.url_path_for("index.html") == "/"
    assert [app.url_path_for(name) for name in ASSETS] == list(page_paths()[1:])


@pytest.mark.parametrize("name", [INDEX, ASSETS[0]])
def test_missing_file_gets_a_sentence(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(PageError, match=f"{name} cannot be served"):
        register_page(FastAPI(), folder)


@pytest.mark.skipif(os.name != "posix", reason="links are a POSIX matter")
def test_link_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / ASSETS[0]).unlink()
    (folder / ASSETS[0]).symlink_to("/etc/hostname")
    with pytest.raises(PageError):
        register_page(FastAPI(), folder)
