"""Training the acoustic model and the vocoder."""
