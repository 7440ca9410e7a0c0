"""What can be set about the vendor, by option, by request and by argument alike."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin, get_type_hints


def _knob(default: Any, says: str) -> Any:
    return field(default=default, metadata={"says": says})


@dataclass(frozen=True, slots=True)
class Knobs:
    """The vendor's habits. Times in milliseconds or seconds, as the name says."""

    # The control socket
    dialect: Literal["S", "S-no-speak", "T"] = _knob("S", "events that the avatar tells")
    connected_delay_ms: float = _knob(300, "socket open → state `connected`")
    never_connected: bool = _knob(False, "state `connected` never comes")
    speak_start_ms: float = _knob(200, "first chunk → first sample heard, at least")
    gap_ms: float = _knob(40, "pause between two utterances that wait in a row")
    starve_ms: float = _knob(500, "dry buffer → `video_starvation`")
    starved: Literal["hold", "idle"] = _knob("hold", "a starved avatar stays talking, or idles")
    listen_while_talking: Literal["ignore", "latch"] = _knob(
        "ignore", "`start_listening` in speech is thrown away, or kept until it ends"
    )
    oversize: Literal["close", "drop"] = _knob("close", "what a packet over the limit does")
    packet_limit: int = _knob(1_000_000, "characters of base64 in one message")
    speak_end_when_idle: Literal["ignore", "error"] = _knob("ignore", "nothing to seal")
    reply_to_start: Literal["ignore", "error"] = _knob("ignore", "the undocumented `start`")
    alpha_end_ms: float = _knob(300, "alpha: dry buffer → speech is over")
    interrupt_drops_buffer: bool = _knob(False, "alpha: an interrupt takes uncommitted audio along")
    redial: Literal["allow", "deny"] = _knob("allow", "a second connection to the same session")
    deflate: bool = _knob(True, "accept permessage-deflate where the client offers it")
    close_after_ms: float = _knob(0, "close every socket this long after it opened; 0: do not")
    close_code: int = _knob(1011, "the code of that close; 0 breaks the connection without one")

    # What happens to events on their way
    event_delay_ms: float = _knob(0, "every event is late by this")
    event_jitter_ms: float = _knob(0, "and by up to this more, so that events overtake each other")
    event_drop: float = _knob(0.0, "share of `agent.*` events that are lost")
    event_repeat: float = _knob(0.0, "share of `agent.*` events that come twice")
    drop_speak_ended: float = _knob(0.0, "share of `agent.speak_ended` that are lost")

    # The clock, and what no client can see
    playback_speed: float = _knob(1.0, "seconds of speech per second")
    start_spread_ms: float = _knob(80, "drawn per session and added to speak_start_ms, up to this")
    jitter_ms: float = _knob(30, "drawn per utterance and added as well, up to this")
    resume_spread_ms: float = _knob(60, "drawn per session: new audio → speech, after a dry buffer")
    keep_audio: bool = _knob(True, "keep the samples, not only their number")

    # REST
    rest_delay_ms: float = _knob(0, "every reply is late by this")
    code: int = _knob(1000, "`code` of success in LiveAvatar's envelope: 1000 or 100")
    omit_ws_url: bool = _knob(False, "start answers without `ws_url` or `realtime_endpoint`")
    ws_url: str = _knob("", "answered instead of the own address")
    livekit_url: str = _knob("wss://livekit.invalid", "the room that viewers are sent to")
    own_room_fields: Literal["null", "absent", "filled"] = _knob(
        "null", "LiveKit fields of the reply when the room is the caller's"
    )
    rate_limit: int = _knob(0, "requests per second, endpoint and credential; 0: any number")
    token_seconds: float = _knob(3600, "how long a session token can start a session")
    avatars: str = _knob("", "ids of the avatars that exist, with commas; empty: any")
    sandbox_foreign: Literal["refuse", "replace"] = _knob("refuse", "other avatars in a sandbox")
    interactive: Literal["on", "gone"] = _knob("on", "streaming.*: as it was, or 404")

    # Money and time
    credits: float = _knob(1000, "credits at the start; one is a minute")
    concurrency_limit: int = _knob(0, "sessions at a time; 0: any number")
    idle_seconds: float = _knob(300, "LiveAvatar: silence of the client that ends a session")
    sandbox_seconds: float = _knob(60, "how long a sandbox session lasts")
    max_seconds: float = _knob(1200, "LiveAvatar: longest session, and the default")
    interactive_seconds: float = _knob(600, "Interactive Avatar: longest session")
    at_limit: Literal["mute", "close"] = _knob("mute", "what happens then, outside of the sandbox")
    mute_seconds: float = _knob(200, "how long a mute session goes on")
    abandoned_seconds: float = _knob(200, "a session without a socket ends after this")

    # Secrets, which all start alike so that leaks are found
    secret_prefix: str = _knob("SECRET-", "how every key, token and secret address begins")
    liveavatar_key: str = _knob("liveavatar-key", "accepted API key, without the prefix")
    heygen_key: str = _knob("heygen-key", "accepted API key, without the prefix")

    def turned(self, changes: Mapping[str, Any]) -> Knobs:
        """Returns these with some changed.

        Raises:
            ValueError: There is no such knob, or it does not take that value.
        """
        hints = get_type_hints(Knobs)
        for name, value in changes.items():
            if name not in hints:
                raise ValueError(f"no knob is called {name}")
            if not _fits(value, hints[name]):
                raise ValueError(f"{name} takes {_takes(hints[name])}, not {value!r}")
        return dataclasses.replace(self, **changes)


def options() -> list[tuple[str, type | tuple[str, ...], Any, str]]:
    """Returns name, type or choices, default and meaning of each knob."""
    hints = get_type_hints(Knobs)
    found: list[tuple[str, type | tuple[str, ...], Any, str]] = []
    for each in dataclasses.fields(Knobs):
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
