"""What speech is described by: log-mel spectrogram, units, pitch, speaker vector, all on the video's clock."""
