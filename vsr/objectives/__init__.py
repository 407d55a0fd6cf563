"""Training objectives: losses of whole models and their weights; see `vsr.objectives.registry`."""
