"""Lip to speech: the face in a silent video gets its voice back."""
