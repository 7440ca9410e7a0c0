"""The house's door: who may reach the bot, what is served, and how Pipecat's runner is started.

`runner.serve` is all that `bot.py` calls. Nothing in here knows the bot, the pipeline or the
settings; values are handed in.
"""
