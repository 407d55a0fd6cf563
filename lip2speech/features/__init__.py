"""Speech features: log-mel spectrogram, units, pitch and speaker vector, all on the video's clock."""
