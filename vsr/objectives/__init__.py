"""Losses and their weights, apart from the modules that they train; see `vsr.objectives.registry`."""
