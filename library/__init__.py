"""Faces, ears, a brain and a voice for Pipecat bots: the parts of avatarbot, as a library.

    avatarbot.transports   a face for what a TTS says, and the WebSocket of a page
    avatarbot.processors   typed text as turns, the transcript, how long an answer took
    avatarbot.services     hearing, thinking and speaking offline; needs `avatarbot[local]`

`docs/library.md` shows what is in them. In the checkout they are folders of their own, and this
file is all that the wheel adds: `pyproject.toml` says how.
"""
