"""The names of the storage formats of mouth crops (`vsr.data.crop_files`). Loads nothing heavy, for --help."""

STORES = ("npy", "video", "lossless")
