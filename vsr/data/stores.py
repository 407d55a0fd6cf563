"""The ways in which mouth crops lie on disk, by name; `vsr.data.stored` reads and writes them. Light, for --help."""

STORES = ("npy", "video", "lossless")
