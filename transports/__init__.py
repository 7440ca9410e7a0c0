"""Legs of a conversation: `avatar` and the vendors' folders beside it, `websocket` for the page.

What others may build upon is in the `__all__` of a module; `docs/library.md` lists it.
"""
