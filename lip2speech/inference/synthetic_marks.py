"""Marks of synthetic outputs: they label a file as such, and show that it may be overwritten; imports nothing heavy."""

from __future__ import annotations

from vsr.core.file_kinds import json_kind
from vsr.media.tags import commented_kind

SYNTHETIC = "synthetic voice, made from the lips in the video by lip2speech"  # a comment in the metadata of outputs
VOICE = commented_kind("a voice that lip2speech made", SYNTHETIC)
WORDS = json_kind("a record of --words", "voice", "words")
