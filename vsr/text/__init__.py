"""Text of a transcript: normalisation and tokens."""
