"""Vocoders that others published, and what they share with ours."""
