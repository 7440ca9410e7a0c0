"""Small processors of the pipeline, one job each; `bot.py` strings them together.

A module has one of them, with what belongs to it in its `__all__`. They are not gathered here, so
that a new one is one new file.
"""
