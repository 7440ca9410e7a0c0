"""Writes `docs/licences.md` from what is installed: `uv run scripts/licences.py` (or `--check`).

Named are the packages that `pyproject.toml` asks for, and of the others those whose licence asks
for more than keeping a notice.
"""

import re
import sys
import tomllib
from importlib.metadata import PackageMetadata, distributions, metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_ASKS_FOR_MORE = re.compile(r"GPL|General Public|MPL|Mozilla|EPL|CDDL|EUPL", re.IGNORECASE)
_SAID_ELSEWHERE = {
    "axe-playwright-python": "MIT; MPL-2.0 (axe-core inside)",
    # Neither the wheel nor its repository states a licence for the few lines of Python in it.
    "espeakng-loader": "**GPL-3.0-or-later** (espeak-ng inside); the loader itself states none",
    "soundfile": "BSD-3-Clause; LGPL-2.1-or-later (libsndfile inside)",
}

_HEAD = """\
# Licences

avatarbot is under the BSD 2-Clause licence (`LICENSE`). An install brings packages of others, from
their authors, under their own licences; none of them is part of this repository.

## espeak-ng is under the GPL

The built-in voice is **espeak-ng, GPL-3.0-or-later**. The package `espeakng-loader` brings it as a
shared library, which `services/` loads into the process. What that means:

- Using avatarbot, also as a service to others over a network, asks for nothing: the GPL is about
  passing copies on, and is not the AGPL.
- Whoever passes on a bundle in which espeak-ng is included (a container image, an installer, a
  device) passes on a work under the GPL as a whole: with its source, or an offer of it, and under
  terms that the GPL allows. The BSD licence of this repository is compatible with that.
- Whoever cannot do so leaves `espeakng-loader` out of the bundle, and sets `TTS` to another voice
  as soon as a version has one. The wheel of [the library](library.md) asks for it only as
  `avatarbot[local]`.

## What plays a vendor's room

With a vendor's face the page loads a client for its rooms, which `npm ci --prefix web/viewer`
brings. `web/viewer/package-lock.json` names all packages with their licences.

- **LiveKit**: livekit-client (Apache-2.0). Its one file holds parts of other packages, under MIT,
  BSD, 0BSD and Apache licences.
- **ZEGO**: zego-express-engine-webrtc and zego-express-logger. Their metadata say ISC; they come
  minified, without source, text of a licence or name of an owner, so ask ZEGO before you pass them
  on in a bundle. npm puts them into one file with protobufjs (BSD-3-Clause), long and localforage
  (Apache-2.0), by means of esbuild (MIT), which is no part of it.

## Packages

Written by `scripts/licences.py` from the packages' own metadata.

| package | licence | asked for by |
|---|---|---|
"""


def written() -> str:
    """Returns the whole page."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    asked = [*project["project"]["dependencies"], *groups["bot"]]
    ours = {_name(each): "avatarbot" for each in asked}
    tests = {_name(each): "its tests" for each in groups["dev"]}
    brought = {
        _name(each.metadata["Name"]): "other packages"
        for each in distributions()
        if _ASKS_FOR_MORE.search(_licence_of(each.metadata))
    }
    named = {**dict(sorted(brought.items())), **tests, **ours}
    order = ("avatarbot", "its tests", "other packages")
    rows = sorted(named.items(), key=lambda pair: (order.index(pair[1]), pair[0]))
    return _HEAD + "".join(
        f"| {name} | {_licence_of(metadata(name))} | {who} |\n" for name, who in rows
    )


def _name(requirement: str) -> str:
    match = _NAME.match(requirement)
    assert match, requirement
    return match[0].lower().replace("_", "-")


def _licence_of(of: PackageMetadata) -> str:
    if known := _SAID_ELSEWHERE.get(_name(of["Name"])):
        return known
    classifiers = (each.split(" :: ") for each in of.get_all("Classifier") or [])
    classified = [each[-1] for each in classifiers if each[0] == "License"]
    short = [each for each in of.get_all("License") or [] if len(each) < 40]
    said = [*(of.get_all("License-Expression") or []), *short, *classified]
    return next((each for each in said if each), "not said")


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit("docs/licences.md is not up to date" if PAGE.read_text() != written() else 0)
    PAGE.write_text(written())
