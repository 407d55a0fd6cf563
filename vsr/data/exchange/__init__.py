"""Corpora in the formats of other toolkits, one module per format with ``read(path, ...)``, ``write(clips, ...)``."""
