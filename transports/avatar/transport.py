"""The avatar as a Pipecat transport: `AvatarTransport(vendor).output()` goes behind the TTS."""

from __future__ import annotations

from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.base_transport import BaseTransport

from .output import AvatarOutput
from .vendor import Vendor


class AvatarTransport(BaseTransport):
    """One face for one session.

    Args:
        vendor: Who renders it, for example `LocalVendor()`.
        hold_on_voice: See `AvatarOutput`.
    """

    def __init__(self, vendor: Vendor, *, hold_on_voice: bool = False) -> None:
        super().__init__(input_name=None, output_name=None)
        self._input = IdentityFilter()
        self._output = AvatarOutput(vendor, hold_on_voice=hold_on_voice)

    def input(self) -> FrameProcessor:
        """A face hears nothing: frames pass."""
        return self._input

    def output(self) -> AvatarOutput:
        """The processor that belongs between the TTS and the user leg's output."""
        return self._output
