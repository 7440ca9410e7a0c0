"""The embedded parts: speech, hearing and a small brain that need no key and no network."""
