"""What is read of a clip, as people name it. Light, for --help."""

VIDEO, SOUND, BOTH = "video", "sound", "both"
MODALITIES = {VIDEO: (VIDEO,), SOUND: (SOUND,), BOTH: (VIDEO, SOUND)}
