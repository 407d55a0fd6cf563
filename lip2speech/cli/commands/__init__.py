"""The verbs of `lip2speech`, a module each."""
