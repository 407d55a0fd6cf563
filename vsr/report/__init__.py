"""A page about the reading of a video: the mouth crops, the network's outputs, and the results of the search."""
