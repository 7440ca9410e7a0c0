"""What a cut-in overtakes: Pipecat drops a part of what it should.

A processor of Pipecat 1.14 has two queues. Frames arrive in the first one, which lets system frames
pass in front; everything else goes on to the second one, which an interruption empties. What is
still in the first one then is processed after the interruption, as if it were of the next answer.
"""

from __future__ import annotations

from weakref import WeakValueDictionary

from pipecat.frames.frames import Frame, InterruptionFrame, SystemFrame


class Overtaken:
    """Tells which frames of one processor came before an interruption that was processed first."""

    def __init__(self) -> None:
        # Weak: what Pipecat drops by itself is never asked about.
        self._waiting: WeakValueDictionary[int, Frame] = WeakValueDictionary()
        self._overtaken: WeakValueDictionary[int, Frame] = WeakValueDictionary()

    def arrives(self, frame: Frame) -> None:
        """The frame is put into the first queue."""
        if isinstance(frame, InterruptionFrame):
            self._overtaken.update(self._waiting)
            self._waiting.clear()
        elif frame.interruptible and not isinstance(frame, SystemFrame):
            self._waiting[frame.id] = frame

    def is_stale(self, frame: Frame) -> bool:
        """Whether the frame, whose turn it is, belongs to what was cut. To be asked once."""
        self._waiting.pop(frame.id, None)
        return self._overtaken.pop(frame.id, None) is not None
