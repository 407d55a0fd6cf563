"""The JSON API of `lip2speech serve`: the shapes of the common audio endpoints, for videos of faces."""
