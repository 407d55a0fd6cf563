"""The names of the storage formats of mouth crops (`vsr.data.stored`). Loads nothing heavy, for --help."""

STORES = ("npy", "video", "lossless")
