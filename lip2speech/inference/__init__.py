"""Voice a video file or a list of clips."""
