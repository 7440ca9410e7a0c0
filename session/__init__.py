"""What holds for one conversation, whichever way its person comes: how long, and what is kept."""
