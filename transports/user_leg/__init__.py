"""How the person reaches the bot: the wire of the WebSocket, and what may come over any other."""

from .message_filter import MessageFilter
from .protobuf import ProtobufSerializer
from .serializer import PageSerializer

__all__ = ["MessageFilter", "PageSerializer", "ProtobufSerializer"]
