"""The same bot with nothing between voice and user leg: what `benchmarks/cpu.py` compares with."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pipecat.processors.filters.identity_filter import IdentityFilter

import bot as house


class NoAvatar:
    """Takes the place of `AvatarTransport`, and lets everything pass."""

    def __init__(self, vendor: object) -> None:
        self._output = IdentityFilter()

    def output(self) -> IdentityFilter:
        return self._output

    def page_says(self, kind: str, data: object) -> None:
        """Nobody asks how far the voice is."""


bot = house.bot

if __name__ == "__main__":
    house.AvatarTransport = NoAvatar
    house.main()
