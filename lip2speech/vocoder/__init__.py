"""The multi-input vocoder: mel, units and speaker -> waveform."""
