"""Audio-video synchronisation: the offset of each clip's audio from its video."""
