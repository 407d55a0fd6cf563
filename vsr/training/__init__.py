"""Training of a lip reader: configuration, loop, averaging."""
