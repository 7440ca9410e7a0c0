"""How uvicorn is set up, whoever runs it: Pipecat's runner, the launcher, a session's process.

Compressing a voice costs the bot more CPU than all that it does besides, and saves nothing; and a
message larger than any that the page sends need not be received before it is refused. Whom to
believe about the person is for `Proxies`: uvicorn by itself believes all of this machine.
"""

from types import MappingProxyType
from typing import Any

from .patience import Http, WebSocket

LARGEST_MESSAGE = 256 * 1024
"""Bytes of one WebSocket message; what is larger ends the connection."""

PING_S = 10.0
"""How often a WebSocket is asked whether it is still there, and how long it may take to answer."""

PRESETS = MappingProxyType[str, Any](
    {
        "http": Http,
        "ws": WebSocket,
        "ws_max_size": LARGEST_MESSAGE,
        "ws_per_message_deflate": False,
        "ws_ping_interval": PING_S,
        "ws_ping_timeout": PING_S,
        "proxy_headers": False,
    }
)
"""Arguments of `uvicorn.Config`."""
