"""The avatar output transport, vendor-neutral: what every face has in common.

`core` decides, `session` owns the connection, `output` speaks Pipecat; a folder beside this one
(`transports/local`, `transports/heygen`) is a vendor. `docs/frames.md` lists what travels.

Exported here is what a vendor is written with, and none of it loads Pipecat: what a vendor provides
(`vendor`, `account`), what it is told (`commands`), what it tells (`events`), what goes wrong
(`errors`). The door to Pipecat is `transport.AvatarTransport`.
"""

from .account import Account
from .commands import Begin, Command, EndSpeech, Interrupt, KeepAlive, Listen, Speak
from .errors import (
    AvatarError,
    AvatarNotFound,
    ConnectionLost,
    JournalUnusable,
    KeyRefused,
    NeverReady,
    NoCredits,
    NoSlotLeft,
    RateLimited,
    TooManySessions,
    UnexpectedReply,
    VendorRefused,
    VendorUnreachable,
)
from .events import Ended, Event, Interrupted, Played, Started, Talking
from .vendor import Opened, Profile, Socket, UserLeg, Vendor, Wire

__all__ = [
    "Account",
    "AvatarError",
    "AvatarNotFound",
    "Begin",
    "Command",
    "ConnectionLost",
    "EndSpeech",
    "Ended",
    "Event",
    "Interrupt",
    "Interrupted",
    "JournalUnusable",
    "KeepAlive",
    "KeyRefused",
    "Listen",
    "NeverReady",
    "NoCredits",
    "NoSlotLeft",
    "Opened",
    "Played",
    "Profile",
    "RateLimited",
    "Socket",
    "Speak",
    "Started",
    "Talking",
    "TooManySessions",
    "UnexpectedReply",
    "UserLeg",
    "Vendor",
    "VendorRefused",
    "VendorUnreachable",
    "Wire",
]
