"""A video file -> a transcript: windows, journal, processes, clusters, live."""
