"""The avatar as a Pipecat transport: `AvatarTransport(vendor).output()` goes behind the TTS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.base_transport import BaseTransport

from .output import READY_TIMEOUT_S, AvatarOutput
from .vendor import Opened, Vendor

__all__ = ["AvatarTransport"]


class AvatarTransport(BaseTransport):
    """One face for one session.

    `output()` stands between the TTS and the output of the person's own transport, which goes on
    carrying everything else. What can fail, and how it shows, is said at `AvatarOutput`.

    Args:
        vendor: Who renders it, for example `LocalVendor()`.
        stand_in: Carries the speech on the user leg, for example `LocalVendor()`, while the vendor
            is not ready or the page has not said that it shows the face; see `AvatarOutput`.
        goes_on_without: The stand-in goes on alone where the vendor cannot be started, or is lost.
        opens_when_watched: The vendor's session is not opened before a page asks for it.
        hold_on_voice: Fall silent as soon as a voice is heard; see `AvatarOutput`.
        ready_timeout_s: How long the vendor may take until it can be told anything, in seconds.

    Attributes:
        vendor: As given.
    """

    def __init__(
        self,
        vendor: Vendor,
        *,
        stand_in: Vendor | None = None,
        goes_on_without: bool = False,
        opens_when_watched: bool = False,
        hold_on_voice: bool = False,
        ready_timeout_s: float = READY_TIMEOUT_S,
    ) -> None:
        super().__init__(input_name=None, output_name=None)
        self.vendor = vendor
        self._input = IdentityFilter()
        self._output = AvatarOutput(
            vendor,
            stand_in=stand_in,
            goes_on_without=goes_on_without,
            opens_when_watched=opens_when_watched,
            hold_on_voice=hold_on_voice,
            ready_timeout_s=ready_timeout_s,
        )

    def input(self) -> FrameProcessor:
        """A face hears nothing: frames pass."""
        return self._input

    def page_says(self, kind: str, data: Mapping[str, Any]) -> None:
        """What the page reports of the avatar, for a user leg that hands it over directly.

        Args:
            kind: Type of the message, `avatar-…`.
            data: Its fields; docs/frames.md lists them.
        """
        self._output.page_says(kind, data)

    @property
    def is_open(self) -> bool:
        """Whether the vendor's session is open now."""
        return self._output.is_open

    async def face(self) -> Opened | None:
        """The vendor's session, once it is open.

        It is opened where it waits for somebody to watch, as by `avatar-watch`. None: it could not
        be, or is over.
        """
        return await self._output.face()

    async def dismiss(self) -> None:
        """Close the vendor's session for good; the stand-in carries the speech from here on."""
        await self._output.dismiss()

    def output(self) -> AvatarOutput:
        """The processor that belongs between the TTS and the user leg's output."""
        return self._output
