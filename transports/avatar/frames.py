"""The frames of ours; `docs/frames.md` says who sends them and who reads them."""

from __future__ import annotations

from dataclasses import dataclass

from pipecat.frames.frames import OutputTransportMessageUrgentFrame, SystemFrame, TTSTextFrame

__all__ = ["METADATA_KEY", "ConfidentialMessageFrame", "HeardTextFrame"]

METADATA_KEY = "avatarbot"
"""Where our own data rides in `frame.metadata`."""


@dataclass(repr=False)
class ConfidentialMessageFrame(OutputTransportMessageUrgentFrame):
    """A message for the page alone: no log shows what is in it."""

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__


@dataclass
class HeardTextFrame(TTSTextFrame, SystemFrame):
    """Words that the person has heard.

    A system frame: a data frame that waits behind the output would be dropped when an interruption
    overtakes it. It has no `pts`, so that no output waits with it.
    """

    @classmethod
    def of(cls, frame: TTSTextFrame, text: str | None = None) -> HeardTextFrame:
        """The heard twin of a word, or of a part of a sentence.

        Args:
            frame: What the TTS announced.
            text: The part of it that was heard; all of it where None.
        """
        whole = text is None or text == frame.text
        heard = cls(
            text=frame.text if text is None else text,
            text_type=frame.text_type,
            context_id=frame.context_id,
            raw_text=frame.raw_text if whole else None,
            segment_id=frame.segment_id,
        )
        heard.append_to_context = frame.append_to_context
        heard.includes_inter_frame_spaces = frame.includes_inter_frame_spaces
        heard.will_be_spoken = frame.will_be_spoken
        heard.transport_destination = frame.transport_destination
        return heard
