"""The web page: a video in, its words and its voice out."""
