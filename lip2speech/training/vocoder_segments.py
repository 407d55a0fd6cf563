"""Training batches of a vocoder: segments of clips with wave, mel and units.

Shapes: B segments, N mel frames, S samples of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lip2speech.features.stored import Features, StoredFeatures, with_features
from lip2speech.vocoders.config import VocoderDataConfig
from lip2speech.vocoders.losses import corrupt_mel
from vsr.core.clock import MELS_PER_FRAME, SAMPLES_PER_FRAME, UNITS_PER_FRAME
from vsr.core.errors import VsrError
from vsr.data.batch import CLIPS, Counted
from vsr.data.manifest import Clip
from vsr.training.loop import step_seed


@dataclass
class VocoderBatch(Counted):
    """wave (B, S); mel (B, N, 80); units (B, N/2); speaker (B, 256); f0 (B, N) Hz, 0 where unvoiced or not measured;
    is_natural (B,): True where the mel is that of the wave, False where an acoustic model predicted it."""

    wave: Tensor
    mel: Tensor
    units: Tensor
    speaker: Tensor
    f0: Tensor
    is_natural: Tensor

    def counts(self) -> dict[str, Tensor]:
        """Number of clips; all segments have the same length."""
        return {CLIPS: self.wave.new_tensor(float(len(self.wave)))}


class Segments:
    """Segments of clips; seed, epoch and clip determine the segment and how its mel is corrupted.

    ``with_pitch``: whether to measure the pitch of clips, at the first use of each; it is then cached.
    """

    def __init__(self, clips: Sequence[Clip], data: VocoderDataConfig, seed: int, with_pitch: bool = False):
        self.clips = [clip for clip in with_features(clips, data.features)[0] if clip.num_frames >= data.segment]
        if not self.clips:
            raise VsrError("bad_config", f"no training clip has {data.segment} frames: shorten data.segment")
        self.data, self.seed = data, seed
        self.natural = StoredFeatures(data.features, self.clips)
        self.with_pitch = with_pitch
        self.pitches: dict[int, Tensor] = {}

    def batch(self, indices: Sequence[int], epoch: int = 0) -> VocoderBatch:
        """One segment of each clip."""
        segments = [self._piece(index, epoch) for index in indices]
        return VocoderBatch(*(torch.stack(tensors) for tensors in zip(*segments, strict=True)))

    def _piece(self, index: int, epoch: int) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(step_seed(self.seed, epoch, index))
        frames = self.data.segment
        start = int(torch.randint(self.clips[index].num_frames - frames + 1, (), generator=generator))
        natural = self.natural[index]
        features = natural
        if torch.rand((), generator=generator) < 0.5:
            features = _predicted(self.data.predicted, self.clips[index], natural)

        def cut(tensor: Tensor, rate: int) -> Tensor:
            return tensor[start * rate : (start + frames) * rate]

        wave, units = cut(natural.wave, SAMPLES_PER_FRAME), cut(features.units, UNITS_PER_FRAME)
        mel = cut(features.mel, MELS_PER_FRAME)
        mel = corrupt_mel(mel[None], self.data.corruption, self.data.noise, generator)[0]
        f0 = self._pitch(index, natural)[start * MELS_PER_FRAME :][: len(mel)]
        return wave, mel, units, natural.speaker, f0, torch.tensor(features is natural)

    def _pitch(self, index: int, features: Features) -> Tensor:
        """Pitch of a clip (4T,) in Hz. Raises VsrError missing_package."""
        if not self.with_pitch:
            return torch.zeros(len(features.mel))
        if index not in self.pitches:
            self.pitches[index] = torch.from_numpy(features.f0())
        return self.pitches[index]


def _predicted(folder: str, clip: Clip, natural: Features) -> Features:
    """Features of a clip as predicted by the acoustic model, or without a folder its natural ones."""
    if not folder:
        return natural
    from lip2speech.inference.synthesizer import load_speech

    speech = load_speech(folder, clip)
    return Features(natural.wave, speech.mel[0], speech.units[0], natural.speaker)
