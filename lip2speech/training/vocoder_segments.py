"""Pieces of clips, their waves with the mel and units that a vocoder makes them of -> batches.

Shapes: B pieces, N mel frames, S samples of each.
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
    """wave (B, S); mel (B, N, 80); units (B, N/2); speaker (B, 256); f0 (B, N) Hz, 0 where unvoiced or nobody asked;
    own (B,): whether the mel is the wave's, not one that an acoustic model made."""

    wave: Tensor
    mel: Tensor
    units: Tensor
    speaker: Tensor
    f0: Tensor
    own: Tensor

    def counts(self) -> dict[str, Tensor]:
        """Clips: all are as long."""
        return {CLIPS: self.wave.new_tensor(float(len(self.wave)))}


class Segments:
    """Pieces of clips; which piece of clip i is heard in epoch e, and how its mel is changed, the seed decides.

    ``pitched``: whether the pitch of clips is asked for; it is measured when a clip is first heard, and kept.
    """

    def __init__(self, clips: Sequence[Clip], data: VocoderDataConfig, seed: int, pitched: bool = False):
        self.clips = [clip for clip in with_features(clips, data.features)[0] if clip.num_frames >= data.segment]
        if not self.clips:
            raise VsrError("bad_config", f"no training clip has {data.segment} frames: shorten data.segment")
        self.data, self.seed = data, seed
        self.natural = StoredFeatures(data.features, self.clips)
        self.pitched = pitched
        self.pitches: dict[int, Tensor] = {}

    def batch(self, indices: Sequence[int], epoch: int = 0) -> VocoderBatch:
        """One piece of each clip."""
        pieces = [self._piece(index, epoch) for index in indices]
        return VocoderBatch(*(torch.stack(each) for each in zip(*pieces, strict=True)))

    def _piece(self, index: int, epoch: int) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(step_seed(self.seed, epoch, index))
        frames = self.data.segment
        start = int(torch.randint(self.clips[index].num_frames - frames + 1, (), generator=generator))
        known = self.natural[index]
        shown = known
        if torch.rand((), generator=generator) < 0.5:
            shown = _predicted(self.data.predicted, self.clips[index], known)
        wave, mel, units = (
            tensor[start * rate : (start + frames) * rate]
            for tensor, rate in (
                (known.wave, SAMPLES_PER_FRAME), (shown.mel, MELS_PER_FRAME), (shown.units, UNITS_PER_FRAME)
            )
        )  # fmt: skip
        mel = corrupt_mel(mel[None], self.data.corruption, self.data.noise, generator)[0]
        f0 = self._pitch(index, known)[start * MELS_PER_FRAME :][: len(mel)]
        return wave, mel, units, known.speaker, f0, torch.tensor(shown is known)

    def _pitch(self, index: int, known: Features) -> Tensor:
        """Of a clip (4T,), Hz. Raises VsrError missing_package."""
        if not self.pitched:
            return torch.zeros(len(known.mel))
        if index not in self.pitches:
            self.pitches[index] = torch.from_numpy(known.f0())
        return self.pitches[index]


def _predicted(folder: str, clip: Clip, natural: Features) -> Features:
    """What the acoustic model made of a clip, or without a folder its own features."""
    if not folder:
        return natural
    from lip2speech.inference.synthesizer import load_speech

    speech = load_speech(folder, clip)
    return Features(natural.wave, speech.mel[0], speech.units[0], natural.speaker)
