"""Frames -> tracked faces -> mouth crops and landmark tracks."""
