"""From a video file to a transcript: windows, journal, processes, clusters, live captions."""
