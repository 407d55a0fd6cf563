"""Names of the modalities of a clip. Loads nothing heavy, for --help."""

VIDEO, SOUND, BOTH = "video", "sound", "both"
MODALITIES = {VIDEO: (VIDEO,), SOUND: (SOUND,), BOTH: (VIDEO, SOUND)}

MEL, WAVE = "mel", "wave"  # forms in which sound is given to a model: (T, 4, 80), or the samples, (T, 640)
