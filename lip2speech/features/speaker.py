"""Speaker vectors: the GE2E embedding (Wan et al. 2018) of a voice by resemblyzer, whose wheel contains the model."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from lip2speech.features.voice_detection import holds_voice
from vsr.core.clock import SAMPLE_RATE
from vsr.core.errors import VsrError
from vsr.core.packages import required_package

DIM = 256
MIN_VOICED = 1.0  # seconds of speech that a reference needs
# Its requirement webrtcvad has no wheel; webrtcvad-wheels is the same module, built.
WITHOUT_COMPILER = "pip install librosa webrtcvad-wheels, then pip install --no-deps resemblyzer"
SILENCE = 1e-3  # peak below which a recording holds no voice


def _resemblyzer():
    return required_package("resemblyzer", "the speaker of a recording", WITHOUT_COMPILER)


@cache
def _encoder():
    return _resemblyzer().VoiceEncoder("cpu", verbose=False)


def speaker_vector(wave: np.ndarray) -> np.ndarray:
    """Speaker vector (256,) float32, of unit length and non-negative, of a wave (S,) at 16 kHz; pauses are removed."""
    speech = _resemblyzer().preprocess_wav(np.asarray(wave, np.float32), SAMPLE_RATE)
    # Where the voice activity detector finds almost no speech, use the whole wave.
    return _encoder().embed_utterance(speech if len(speech) >= SAMPLE_RATE // 4 else wave).astype(np.float32)


def reference_vector(path: str | Path, most: float | None = None) -> np.ndarray:
    """Speaker vector of a recording of any sample rate; ``most``: seconds of it that are used.

    Raises VsrError: unreadable, no_sound, silent_reference, short_reference, no_voice, missing_package.
    """
    from vsr.media.audio import read_wave

    wave = read_wave(path, part=(0.0, most) if most else None)
    if not np.isfinite(wave).all() or np.abs(wave).max(initial=0) < SILENCE:
        raise VsrError("silent_reference", f"{path}: is silent; give a recording with a voice")
    speech = _resemblyzer().preprocess_wav(wave, SAMPLE_RATE)
    seconds = len(speech) / SAMPLE_RATE
    if seconds < MIN_VOICED:
        raise VsrError("short_reference", f"{path}: {seconds:.1f} s of speech; at least {MIN_VOICED:.0f} s are needed")
    if not holds_voice(speech):
        raise VsrError("no_voice", f"{path}: holds noise or tones and no voice; give a recording of somebody speaking")
    return speaker_vector(wave)
