"""Starts one process per session, and ends what a session leaves behind: `uv run -m launcher`.

`backend` is what the HTTP side knows of sessions; `local` keeps them on this machine.
"""
