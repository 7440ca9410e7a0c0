"""The avatar's picture: a head that nods a little, with a mouth that opens as loud as it speaks."""

from __future__ import annotations

from math import pi, sin

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 640, 360

_BACKGROUND = ((38, 84, 98), (16, 38, 46))  # top, bottom
_SKIN, _SHADE, _SHIRT = (238, 190, 150), (205, 152, 116), (214, 92, 70)
_DARK, _LIGHT = (58, 30, 30), (250, 248, 244)

_Y, _X = np.mgrid[0:HEIGHT, 0:WIDTH]


def loudness(pcm: bytes) -> float:
    """Returns how loud 16-bit samples are, 0 to 1."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    rms = float(np.sqrt(np.mean(samples * samples))) if samples.size else 0.0
    return min(1.0, rms / 6_000)


def draw(seconds: float, open_: float) -> bytes:
    """Returns the picture at a time as RGBA, the mouth as far open as `open_` says, 0 to 1."""
    picture = _BEHIND.copy()
    middle, top = WIDTH // 2, 150 + round(4 * sin(2 * pi * seconds / 3))
    _ellipse(picture, (middle, 250), (34, 60), _SHADE)
    _ellipse(picture, (middle, HEIGHT + 40), (170, 130), _SHIRT)
    _ellipse(picture, (middle, top), (88, 108), _SKIN)
    blinks = seconds % 4 < 0.15
    for side in (-34, 34):
        _ellipse(picture, (middle + side, top - 20), (13, 2 if blinks else 13), _LIGHT)
        _ellipse(picture, (middle + side, top - 20), (6, 1 if blinks else 6), _DARK)
    _ellipse(picture, (middle, top + 48), (30, 3 + round(15 * open_)), _DARK)
    return picture.tobytes()


def _behind() -> NDArray[np.uint8]:
    shade = np.linspace(0, 1, HEIGHT)[:, None, None]
    above, below = (np.array((*each, 255)) for each in _BACKGROUND)
    return np.broadcast_to(above * (1 - shade) + below * shade, (HEIGHT, WIDTH, 4)).astype(np.uint8)


_BEHIND = _behind()


def _ellipse(
    picture: NDArray[np.uint8],
    middle: tuple[int, int],
    radii: tuple[int, int],
    colour: tuple[int, int, int],
) -> None:
    (x, y), (width, height) = middle, radii
    rows = slice(max(0, y - height), max(0, y + height + 1))
    columns = slice(x - width, x + width + 1)
    across, down = (_X[rows, columns] - x) / width, (_Y[rows, columns] - y) / height
    picture[rows, columns][across**2 + down**2 <= 1] = (*colour, 255)
