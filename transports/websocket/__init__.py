"""What travels on the person's WebSocket, and what of it is let in."""

from .serializer import PageSerializer

__all__ = ["PageSerializer"]
