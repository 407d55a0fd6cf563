"""Encoder states -> tokens, text, word times and confidence."""
