"""HeyGen's avatars: three generations of one API, over one control socket.

    LiveAvatarVendor    LiveAvatar, LITE mode (api.liveavatar.com): the one to use
    InteractiveVendor   Interactive Avatar (api.heygen.com), which HeyGen is shutting down
    AlphaVendor         the alpha realtime API (api.heygen.com): append, commit, clear

Written from https://docs.liveavatar.com (lite-mode, api-reference), https://docs.heygen.com
(reference/new-session, docs/interactive-avatar-realtime-api), and what clients in the open have
seen on live accounts, as of 2026-11-20. No live account was used here: all of it is tested against
stand-ins only. What sources disagree about is an argument whose default is the safe side.
"""

from .alpha import AlphaVendor
from .interactive import InteractiveVendor
from .liveavatar import LiveAvatarVendor, LiveKitRoom
from .vendor import ADVISED, FASTEST

__all__ = [
    "ADVISED",
    "FASTEST",
    "AlphaVendor",
    "InteractiveVendor",
    "LiveAvatarVendor",
    "LiveKitRoom",
]
