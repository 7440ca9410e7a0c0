"""How the person reaches the bot, where that is no WebSocket of ours."""

from .message_filter import MessageFilter

__all__ = ["MessageFilter"]
