"""A video file, or a list of clips -> sound."""
