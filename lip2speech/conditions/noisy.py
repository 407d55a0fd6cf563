"""The condition `noisy`: noisy audio of a clip, which together with the lips gives clean speech (audio-visual speech
enhancement as in CoGenAV, Bai et al. 2025, here as a condition of the flow).

In training, noise is drawn again for each epoch and mixed with the clip's clean audio; in synthesis, it is the audio of
the recording. Shapes: wave (640 T,) float32 at 16 kHz, N = 2T steps of 50 Hz, each of two mel frames of 80 bands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lip2speech.conditions.context import MELS_PER_STEP, MIDDLE, SPAN
from lip2speech.conditions.registry import CONDITIONS, CONTENT, FLOW
from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, SHARE, check_numbers
from vsr.data.sound_corruption import Noise, SoundCorruption
from vsr.media.mel import NUM_MELS, log_mel


@CONDITIONS.register("noisy")
@dataclass(frozen=True)
class Noisy:
    """Log-mel of the clip's audio with noise.

    Args:
        drop: share of training clips without it, so that the voice also works from the lips alone.
        kinds: of noise, with equal probability: babble, white, pink, or an audio file.
        snr: least and greatest signal-to-noise ratio in training, dB.
        voices: number of voices in babble.
        clean: share of training clips without noise, so that clean audio is left unchanged.
    """

    drop: float = 0.3
    kinds: tuple[str, ...] = ("babble", "white")
    snr: tuple[float, ...] = (-10.0, 15.0)
    voices: int = 6
    clean: float = 0.1
    width = MELS_PER_STEP * NUM_MELS
    per_frame = True
    places = (CONTENT, FLOW)
    recorded = True

    def __post_init__(self):
        for name in ("kinds", "snr"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_numbers(self, "noisy.", drop=SHARE, clean=SHARE, voices=COUNT)
        if len(self.snr) != 2 or not all(isinstance(ratio, (int, float)) and np.isfinite(ratio) for ratio in self.snr):
            raise ValueError(f"noisy.snr is {self.snr}; give the least and the greatest ratio, dB")
        self.corruption.check_files()

    @property
    def corruption(self) -> SoundCorruption:
        """The corruption of a training clip's audio."""
        return SoundCorruption(Noise(1 - self.clean, self.kinds, self.snr, self.voices, evenly=True))

    def corrupted(
        self,
        features,
        clip_id: str,
        clips: Sequence[str],
        sound_of: Callable[[str], np.ndarray],
        rng: np.random.Generator,
    ) -> np.ndarray:
        """The condition (N, 160) of the clip ``clip_id`` with `lip2speech.features.stored.Features`, with noise from
        ``rng``; babble is mixed from ``clips`` (ids), whose waves ``sound_of`` returns. Silence is left unchanged.

        Raises VsrError bad_config where there are no other speakers for babble.
        """
        corruption, wave = self.corruption.draw(clips, rng, clip_id), features.wave.numpy()
        try:
            return self.of_wave(corruption.wave(wave, sound_of))
        except VsrError as error:
            if error.reason != "no_sound":
                raise
            return self.of_wave(wave)

    def of_wave(self, wave: np.ndarray) -> np.ndarray:
        """The condition (N, 160) of the audio of T video frames."""
        mel = log_mel(torch.from_numpy(np.ascontiguousarray(wave, np.float32)))
        return ((mel.numpy() - MIDDLE) / SPAN).reshape(-1, self.width)
