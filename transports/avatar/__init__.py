"""The avatar output transport, vendor-neutral: what every face has in common.

`core` decides, `session` owns the connection, `output` speaks Pipecat; a folder beside this one
(`transports/local`, `transports/heygen`) is a vendor. `docs/frames.md` lists what travels.

Exported here is what a vendor is written with, and none of it loads Pipecat: what a vendor provides
(`vendor`, `account`), what it is told (`commands`), what it tells (`events`), what goes wrong
(`errors`). The door to Pipecat is `transport.AvatarTransport`.
"""

from .account import Account
from .commands import (
    Begin,
    Command,
    EndSpeech,
    Interrupt,
    KeepAlive,
    Listen,
    Reserve,
    Speak,
)
from .errors import (
    AvatarError,
    AvatarNotFound,
    CertificateRefused,
    ClockOff,
    ConnectionLost,
    Dismissed,
    EndedByVendor,
    Ending,
    JournalUnusable,
    KeyRefused,
    NeverNamed,
    NeverReady,
    NoCapacity,
    NoCredits,
    NoSlotLeft,
    NotEnabled,
    NotStarted,
    PartFailed,
    RateLimited,
    TooManySessions,
    TrialOver,
    UnexpectedReply,
    VendorRefused,
    VendorUnreachable,
)
from .events import Ended, Event, Interrupted, Played, Reserved, Started, Talking
from .vendor import Opened, Profile, Socket, UserLeg, Vendor, Wire

__all__ = [
    "Account",
    "AvatarError",
    "AvatarNotFound",
    "Begin",
    "CertificateRefused",
    "ClockOff",
    "Command",
    "ConnectionLost",
    "Dismissed",
    "EndSpeech",
    "Ended",
    "EndedByVendor",
    "Ending",
    "Event",
    "Interrupt",
    "Interrupted",
    "JournalUnusable",
    "KeepAlive",
    "KeyRefused",
    "Listen",
    "NeverNamed",
    "NeverReady",
    "NoCapacity",
    "NoCredits",
    "NoSlotLeft",
    "NotEnabled",
    "NotStarted",
    "Opened",
    "PartFailed",
    "Played",
    "Profile",
    "RateLimited",
    "Reserve",
    "Reserved",
    "Socket",
    "Speak",
    "Started",
    "Talking",
    "TooManySessions",
    "TrialOver",
    "UnexpectedReply",
    "UserLeg",
    "Vendor",
    "VendorRefused",
    "VendorUnreachable",
    "Wire",
]
