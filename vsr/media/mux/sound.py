"""Encodes a wave as the audio stream of a container. Waves are (S,) float at 16 kHz."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from vsr.core.clock import SAMPLE_RATE

PIECE = 1024  # samples that are encoded at once
OPUS_RATE = 48_000
# Containers that do not support AAC, or not the data that keeps it in sync: (codec, sample rate).
CODECS = {
    "webm": ("libopus", OPUS_RATE), "ogg": ("libopus", OPUS_RATE), "ogv": ("libopus", OPUS_RATE),
    "mpeg": ("mp2", SAMPLE_RATE), "vob": ("mp2", SAMPLE_RATE), "svcd": ("mp2", SAMPLE_RATE),
    "dvd": ("mp2", SAMPLE_RATE), "mxf": ("pcm_s16le", OPUS_RATE), "avi": ("pcm_s16le", SAMPLE_RATE),
}  # fmt: skip


def to_pcm16(wave: np.ndarray) -> np.ndarray:
    """Convert a float wave in [-1, 1] to int16; values beyond are clipped."""
    return np.round(np.clip(wave, -1, 1) * 32767).astype("<i2")


class SoundTrack:
    """Encodes a wave piece by piece into a container that is being written; ``codec``: (name, sample rate), by default
    that of the container."""

    def __init__(self, target, wave: np.ndarray, codec: tuple[str, int] | None = None):
        name, rate = codec or CODECS.get(target.format.name, ("aac", SAMPLE_RATE))
        self.target, self.wave, self.at = target, wave, 0
        self.stream = target.add_stream(name, rate=rate, layout="mono")

    def write(self, seconds: float) -> None:
        """Write the samples up to this time that have not been written yet."""
        stop = min(len(self.wave), round(seconds * SAMPLE_RATE))
        while self.at < stop:
            self.target.mux(self.stream.encode(self._frame()))

    def finish(self) -> None:
        """Write the rest."""
        self.write(len(self.wave) / SAMPLE_RATE)
        self.target.mux(self.stream.encode())

    def _frame(self):
        import av

        samples = to_pcm16(self.wave[None, self.at : self.at + PIECE])
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self.at, Fraction(1, SAMPLE_RATE)
        self.at += PIECE
        return frame
