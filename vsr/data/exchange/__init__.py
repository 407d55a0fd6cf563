"""Corpora as other toolkits keep them, a file for each format, with ``read(path, ...)`` and ``write(clips, ...)``."""
