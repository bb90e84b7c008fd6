"""The HTTP API of a running engine, as its clients see it."""
