"""Wave of a clip -> network input, four mel frames per video frame; the same for training and reading.

Each band is normalised to mean 0 and standard deviation 1 over the clip, so that level, microphone and steady noise
have no influence.

Shapes: T video frames; wave (640 T,) float32, 16 kHz.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vsr.core.clock import MELS_PER_FRAME, SAMPLE_RATE, SAMPLES_PER_FRAME, exact
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.data.modalities import MEL, WAVE
from vsr.media.mel import NUM_MELS, log_mel

LEAST = 0.3  # nats, lower bound of a band's standard deviation: silence is not raised to the level of speech


def to_sound_input(wave: np.ndarray, form: str = MEL) -> Tensor:
    """Wave (640 T,) -> (T, 4, 80), or as "wave" (T, 640). Raises ValueError for a length between two frames."""
    if form == WAVE:
        exact(len(wave), SAMPLES_PER_FRAME)
        return torch.from_numpy(np.array(wave, dtype=np.float32)).view(-1, SAMPLES_PER_FRAME)
    mel = log_mel(torch.from_numpy(np.ascontiguousarray(wave, dtype=np.float32)))
    std, mean = torch.std_mean(mel, 0, correction=0)
    return ((mel - mean) / std.clamp(min=LEAST)).view(-1, MELS_PER_FRAME, NUM_MELS)


def empty_sound(frames: int, form: str = MEL) -> Tensor:
    """The sound input of a clip without sound, zeros in its form."""
    return torch.zeros(frames, SAMPLES_PER_FRAME) if form == WAVE else torch.zeros(frames, MELS_PER_FRAME, NUM_MELS)


def clip_wave(clip: Clip) -> np.ndarray:
    """The stored sound of a clip (640 T,) of ``num_frames`` frames. Raises VsrError bad_manifest."""
    try:
        wave = stored_wave(clip.sound)
    except (OSError, ValueError, EOFError) as error:
        raise VsrError("bad_manifest", f"cannot read the sound of {clip.id}: {error}: run vsr waves") from error
    expected = clip.num_frames * SAMPLES_PER_FRAME
    if len(wave) != expected:
        problem = (
            f"the sound of {clip.id} has {len(wave)} samples, its crop of {clip.num_frames} frames wants {expected}"
        )
        raise VsrError("bad_manifest", f"{problem}: run vsr waves again")
    return wave


def stored_wave(path: str | Path) -> np.ndarray:
    """Samples (S,) of a 16-bit mono .wav at 16 kHz, as `vsr.media.audio.write_wave` writes it.

    Raises OSError, EOFError, and ValueError for a file of another kind.
    """
    import wave as riff

    try:
        with riff.open(str(path), "rb") as file:
            kind = file.getnchannels(), file.getsampwidth(), file.getframerate()
            if kind != (1, 2, SAMPLE_RATE):
                raise ValueError(f"{path} has {kind[0]} channels of {8 * kind[1]} bit at {kind[2]} Hz")
            data = file.readframes(file.getnframes())
    except riff.Error as error:
        raise ValueError(f"{path}: {error}") from error
    return np.frombuffer(data, "<i2").astype(np.float32) / 32767
