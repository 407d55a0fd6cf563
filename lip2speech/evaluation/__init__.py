"""Evaluation of synthesised speech: intelligibility, quality, and likeness to natural recordings."""
