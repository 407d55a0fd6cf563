"""Names of the modalities of a clip. Loads nothing heavy, for --help."""

from __future__ import annotations

VIDEO, SOUND, BOTH = "video", "sound", "both"
MODALITIES = {VIDEO: (VIDEO,), SOUND: (SOUND,), BOTH: (VIDEO, SOUND)}

Read = str | tuple[str, ...]  # one modality, or several

MEL, WAVE = "mel", "wave"  # forms of the sound input: (T, 4, 80), or the samples, (T, 640)


def names_of(read: Read) -> tuple[str, ...]:
    """The modalities that are read, as a tuple."""
    return (read,) if isinstance(read, str) else tuple(read)
