"""Shared basics: clock, errors, files, numbers, machine, progress, fingerprints of outputs."""
