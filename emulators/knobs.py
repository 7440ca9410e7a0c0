"""What can be set about a vendor, by option, by request and by argument alike."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints


def knob(default: Any, says: str) -> Any:
    """A field of `Habits`, and what it means."""
    return field(default=default, metadata={"says": says})


@dataclass(frozen=True, slots=True)
class Habits:
    """A vendor's habits, each a `knob`. Times in milliseconds or seconds, as the name says."""

    # The clock, and what no client can see
    playback_speed: float = knob(1.0, "seconds of speech per second")
    start_spread_ms: float = knob(80, "drawn per session and added to speak_start_ms, up to this")
    jitter_ms: float = knob(30, "drawn per utterance and added as well, up to this")
    resume_spread_ms: float = knob(60, "drawn per session: new audio → speech, after a dry buffer")
    keep_audio: bool = knob(True, "keep the samples, not only their number")

    # What happens to events on their way
    event_delay_ms: float = knob(0, "every event is late by this")
    event_jitter_ms: float = knob(0, "and by up to this more, so that events overtake each other")
    event_drop: float = knob(0.0, "share of events about speech that are lost")
    event_repeat: float = knob(0.0, "share of events about speech that come twice")
    drop_speak_ended: float = knob(0.0, "share of events that say that speech has ended, lost")

    # REST, and secrets, which all start alike so that leaks are found
    rest_delay_ms: float = knob(0, "every reply is late by this")
    secret_prefix: str = knob("SECRET-", "how every key, token and secret address begins")

    def turned(self, changes: Mapping[str, Any]) -> Self:
        """Returns these with some changed.

        Raises:
            ValueError: There is no such knob, or it does not take that value.
        """
        hints = get_type_hints(type(self))
        for name, value in changes.items():
            if name not in hints:
                raise ValueError(f"no knob is called {name}")
            if not _fits(value, hints[name]):
                raise ValueError(f"{name} takes {_takes(hints[name])}, not {value!r}")
        return dataclasses.replace(self, **changes)

    @classmethod
    def options(cls) -> list[tuple[str, type | tuple[str, ...], Any, str]]:
        """Returns name, type or choices, default and meaning of each knob."""
        hints = get_type_hints(cls)
        found: list[tuple[str, type | tuple[str, ...], Any, str]] = []
        for each in dataclasses.fields(cls):
            hint = hints[each.name]
            kind = get_args(hint) if get_origin(hint) is Literal else hint
            found.append((each.name, kind, each.default, each.metadata["says"]))
        return found


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    assert not isinstance(hint, types.UnionType)
    return isinstance(value, hint)


def _takes(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    return {float: "a number", int: "a whole number", bool: "true or false"}.get(hint, "a text")
