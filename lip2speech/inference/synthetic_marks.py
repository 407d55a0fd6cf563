"""Marks of synthetic outputs: they label a file as such, and show that it may be overwritten; imports nothing heavy."""

from __future__ import annotations

from vsr.core.file_kinds import json_of
from vsr.media.tags import commented

SYNTHETIC = "synthetic voice, made from the lips in the video by lip2speech"  # a comment in the metadata of outputs
VOICE = commented("a voice that lip2speech made", SYNTHETIC)
WORDS = json_of("a record of --words", "voice", "words")
