"""The verbs of `vsr`, a module each."""
