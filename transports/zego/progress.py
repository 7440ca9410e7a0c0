"""How drives go, told by utterance, and each thing once."""

from __future__ import annotations

from dataclasses import dataclass

from .tasks import DriveStatus
from .wire import Told

MOST_DRIVES = 64
"""The status of so many may be still to come; the oldest is then forgotten."""


@dataclass(slots=True)
class _Known:
    """A drive whose status is still of interest."""

    utterance: str
    started: bool


class Progress:
    """The drives of one task that were begun, and are not known to be over."""

    def __init__(self) -> None:
        self._drives: dict[str, _Known] = {}

    def begin(self, drive: str, utterance: str) -> None:
        """A drive begins; that its utterance has begun to be heard is told for the first only."""
        started = any(each.started for each in self._drives.values() if each.utterance == utterance)
        while len(self._drives) >= MOST_DRIVES:
            del self._drives[next(iter(self._drives))]
        self._drives[drive] = _Known(utterance, started)

    def told(self, drive: str, status: DriveStatus) -> Told | None:
        """What is to be told of this; nothing where it was, or nobody waits for it."""
        known = self._drives.get(drive)
        if known is None or status is DriveStatus.QUEUED:
            return None
        if status is DriveStatus.DRIVING:
            was_started, known.started = known.started, True
            return None if was_started else Told(known.utterance, status)
        del self._drives[drive]
        return Told(known.utterance, status)

    def forget(self, drive: str | None = None) -> None:
        """Nothing more is told of a drive, or of any."""
        if drive is None:
            self._drives.clear()
        else:
            self._drives.pop(drive, None)
