"""Recordings: containers, time stamps, frames at 25 fps, sound, log-mel, units, muxing."""
