"""The avatar output transport, vendor-neutral: what every face has in common.

`core` decides, `session` owns the connection, `output` speaks Pipecat; a folder beside this one
(`transports/local`, later `transports/heygen` …) is a vendor. `docs/frames.md` lists what travels.

Exported here is what a vendor is written with, and none of it loads Pipecat: what a vendor provides
(`vendor`), what it is told (`commands`), what it tells (`events`), what goes wrong (`errors`). The
door to Pipecat is `transport.AvatarTransport`.
"""

from .commands import Begin, Command, EndSpeech, Interrupt, KeepAlive, Listen, Speak
from .errors import AvatarError, ConnectionLost, NeverReady, VendorRefused, VendorUnreachable
from .events import Ended, Event, Interrupted, Played, Started, Talking
from .vendor import Opened, Profile, Socket, UserLeg, Vendor, Wire

__all__ = [
    "AvatarError",
    "Begin",
    "Command",
    "ConnectionLost",
    "EndSpeech",
    "Ended",
    "Event",
    "Interrupt",
    "Interrupted",
    "KeepAlive",
    "Listen",
    "NeverReady",
    "Opened",
    "Played",
    "Profile",
    "Socket",
    "Speak",
    "Started",
    "Talking",
    "UserLeg",
    "Vendor",
    "VendorRefused",
    "VendorUnreachable",
    "Wire",
]
