"""By how much the sound of each clip of a corpus is off its video."""
