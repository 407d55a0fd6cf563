"""Transcripts, and the files to which they are written."""
