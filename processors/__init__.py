"""Small processors of the pipeline, one job each; `bot.py` strings them together."""
