"""Encoder states -> hypotheses with word times and confidence."""
