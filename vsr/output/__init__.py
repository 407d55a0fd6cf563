"""What a transcript is, and the files that it is written to."""
