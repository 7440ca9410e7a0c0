"""What a language model may call, one file each; `bot.py` lists them in `TOOLS`."""
