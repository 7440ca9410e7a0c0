"""One run of TTS on its way to the person: what is queued, what was sent, what was heard."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from .playhead import Playhead

SAMPLE_BYTES = 2


class Pcm:
    """A queue of 16-bit PCM that is cut anywhere without copying what stays."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self.samples = 0

    def append(self, pcm: bytes) -> None:
        """Add to the end; `pcm` holds whole samples."""
        if pcm:
            self._pieces.append(pcm)
            self.samples += len(pcm) // SAMPLE_BYTES

    def take(self, samples: int) -> bytes:
        """Remove and return up to `samples` from the front."""
        wanted = min(samples, self.samples) * SAMPLE_BYTES
        self.samples -= wanted // SAMPLE_BYTES
        taken: list[bytes] = []
        while wanted:
            piece = self._pieces.popleft()
            if len(piece) > wanted:
                self._pieces.appendleft(piece[wanted:])
                piece = piece[:wanted]
            taken.append(piece)
            wanted -= len(piece)
        return taken[0] if len(taken) == 1 else b"".join(taken)


@dataclass(slots=True, eq=False)
class Utterance:
    """Speech with one id for its whole life.

    Attributes:
        id: What the vendor knows it by.
        run: What the pipeline knows its run of TTS by.
        playhead: Position in what was sent.
        offset: Samples of its run of TTS that were heard under an earlier id, before a hold.
        queue: Not sent yet.
        unheard: Sent and, when last looked, not heard: what a hold can bring back.
        ended: The TTS has said all; `sealed`: the vendor was told so.
    """

    id: str
    run: str
    playhead: Playhead
    interruptible: bool
    offset: int = 0
    queue: Pcm = field(default_factory=Pcm)
    unheard: Pcm = field(default_factory=Pcm)
    begun: bool = False
    ended: bool = False
    sealed: bool = False
    vendor_ended: bool = False

    def heard(self, now: float) -> int:
        """Samples of its run of TTS that the person has heard."""
        return self.offset + self.playhead.at(now)

    def lead(self, now: float) -> int:
        """Samples that were sent and not yet heard."""
        return self.playhead.sent - self.playhead.at(now)

    def take(self, samples: int, *, now: float) -> bytes:
        """The next piece to send, kept until it is heard."""
        pcm = self.queue.take(samples)
        self.unheard.append(pcm)
        self.playhead.send(len(pcm) // SAMPLE_BYTES, now=now)
        self.forget(now)
        return pcm

    def forget(self, now: float) -> None:
        """Let go of what has been heard."""
        self.unheard.take(self.unheard.samples - self.lead(now))

    def rest(self, now: float) -> Pcm:
        """All that was not heard, sent or not; it is taken out of this utterance."""
        self.forget(now)
        rest = self.unheard
        rest.append(self.queue.take(self.queue.samples))
        return rest
