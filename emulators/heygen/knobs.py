"""What can be set about HeyGen, beside what can be set about any vendor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..knobs import Habits, knob


@dataclass(frozen=True, slots=True)
class Knobs(Habits):
    """The vendor's habits. Times in milliseconds or seconds, as the name says."""

    # The control socket
    dialect: Literal["S", "S-no-speak", "T"] = knob("S", "events that the avatar tells")
    connected_delay_ms: float = knob(300, "socket open → state `connected`")
    never_connected: bool = knob(False, "state `connected` never comes")
    speak_start_ms: float = knob(200, "first chunk → first sample heard, at least")
    gap_ms: float = knob(40, "pause between two utterances that wait in a row")
    starve_ms: float = knob(500, "dry buffer → `video_starvation`")
    starved: Literal["hold", "idle"] = knob("hold", "a starved avatar stays talking, or idles")
    listen_while_talking: Literal["ignore", "latch"] = knob(
        "ignore", "`start_listening` in speech is thrown away, or kept until it ends"
    )
    oversize: Literal["close", "drop"] = knob("close", "what a packet over the limit does")
    packet_limit: int = knob(1_000_000, "characters of base64 in one message")
    speak_end_when_idle: Literal["ignore", "error"] = knob("ignore", "nothing to seal")
    reply_to_start: Literal["ignore", "error"] = knob("ignore", "the undocumented `start`")
    alpha_end_ms: float = knob(300, "alpha: dry buffer → speech is over")
    interrupt_drops_buffer: bool = knob(False, "alpha: an interrupt takes uncommitted audio along")
    redial: Literal["allow", "deny"] = knob("allow", "a second connection to the same session")
    deflate: bool = knob(True, "accept permessage-deflate where the client offers it")
    close_after_ms: float = knob(0, "close every socket this long after it opened; 0: do not")
    close_code: int = knob(1011, "the code of that close; 0 breaks the connection without one")

    # REST
    code: int = knob(1000, "`code` of success in LiveAvatar's envelope: 1000 or 100")
    omit_ws_url: bool = knob(False, "start answers without `ws_url` or `realtime_endpoint`")
    ws_url: str = knob("", "answered instead of the own address")
    livekit_url: str = knob("wss://livekit.invalid", "the room that viewers are sent to")
    own_room_fields: Literal["null", "absent", "filled"] = knob(
        "null", "LiveKit fields of the reply when the room is the caller's"
    )
    rate_limit: int = knob(0, "requests per second, endpoint and credential; 0: any number")
    token_seconds: float = knob(3600, "how long a session token can start a session")
    avatars: str = knob("", "ids of the avatars that exist, with commas; empty: any")
    sandbox_foreign: Literal["refuse", "replace"] = knob("refuse", "other avatars in a sandbox")
    interactive: Literal["on", "gone"] = knob("on", "streaming.*: as it was, or 404")

    # Money and time
    credits: float = knob(1000, "credits at the start; one is a minute")
    concurrency_limit: int = knob(0, "sessions at a time; 0: any number")
    idle_seconds: float = knob(300, "LiveAvatar: silence of the client that ends a session")
    sandbox_seconds: float = knob(60, "how long a sandbox session lasts")
    max_seconds: float = knob(1200, "LiveAvatar: longest session, and the default")
    interactive_seconds: float = knob(600, "Interactive Avatar: longest session")
    at_limit: Literal["mute", "close"] = knob("mute", "what happens then, outside of the sandbox")
    mute_seconds: float = knob(200, "how long a mute session goes on")
    abandoned_seconds: float = knob(200, "a session without a socket ends after this")

    # Secrets, which all start alike so that leaks are found
    liveavatar_key: str = knob("liveavatar-key", "accepted API key, without the prefix")
    heygen_key: str = knob("heygen-key", "accepted API key, without the prefix")
