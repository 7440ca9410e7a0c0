"""Vendors as their documents describe them, over real sockets: to test, and to develop.

Nobody needs an account for them. They import nothing of the product, so that a mistake in
a codec cannot cancel itself out.
"""
