"""Clips with crops and sound -> audio-visual batches; noise and modality dropout are fixed by the seed.

Shapes: T frames; wave (640 T,).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from vsr.core.errors import VsrError
from vsr.core.numbers import SHARE, check_numbers
from vsr.core.tokens import BLANK
from vsr.data.batch import Batch, CropDataset, as_tensors
from vsr.data.corruption import Corruption, corrupted_crop, corrupted_wave, drawn_sound
from vsr.data.manifest import Clip
from vsr.data.modalities import MEL, SOUND, VIDEO
from vsr.data.sound_corruption import DrawnSound, SoundCorruption
from vsr.data.sound_input import clip_wave, empty_sound, to_sound_input
from vsr.data.targets import FRAME_TOKENS, Encoder, Item, TargetSource, at_frames
from vsr.data.transforms import SIDE, Augmentation, speed_indices, to_network_input, trim_span
from vsr.media.mel import NUM_MELS


@dataclass(frozen=True)
class ModalityDropout:
    """How often a training clip is shown without its ``video``, or without its ``sound``; never without both."""

    video: float = 0.25
    sound: float = 0.25

    def __post_init__(self):
        check_numbers(self, "data.modality_dropout.", video=SHARE, sound=SHARE)
        if self.video + self.sound > 1:
            raise VsrError("bad_config", "data.modality_dropout: video and sound are together above 1")

    def draw_modalities(self, rng: np.random.Generator) -> tuple[str, ...]:
        """The modalities that a clip is shown with."""
        drawn = rng.random()
        if drawn < self.video:
            return (SOUND,)
        return (VIDEO,) if drawn < self.video + self.sound else (VIDEO, SOUND)


@dataclass(frozen=True)
class WrongLips:
    """How often a training clip with clear sound is shown with the lips of another clip: with probability ``p`` where
    its sound has no noise, or an SNR of at least ``snr`` dB.

    A model reads the lips of its training clips nearly always right. It would learn to trust lips more than clear
    sound, even where it misreads new lips.
    """

    p: float = 0.0
    snr: float = 5.0

    def __post_init__(self):
        check_numbers(self, "data.wrong_lips.", p=SHARE)


class AudioVisualDataset(CropDataset):
    """Clips with their crops and, where there is any, their sound.

    Args:
        clips, tokenizer, augmentation, seed, heads: as in `CropDataset`; sound follows frames that are moved.
        dropout, wrong_lips, corruption: for training clips.
        modalities: which of the two are shown; a clip without sound is shown with its video alone.
        form: of the sound input, one of `vsr.data.modalities`.
    """

    def __init__(
        self, clips: Sequence[Clip], tokenizer: Encoder, augmentation: Augmentation | None = None, seed: int = 0,
        heads: Mapping[str, TargetSource] | None = None, dropout: ModalityDropout | None = None,
        modalities: tuple[str, ...] = (VIDEO, SOUND), wrong_lips: WrongLips | None = None,
        form: str = MEL, corruption: Corruption | None = None,
    ):  # fmt: skip
        super().__init__(clips, tokenizer, augmentation, seed, heads, corruption.video if corruption else None)
        self.sound_corruption = corruption.sound if corruption else SoundCorruption()
        self.dropout, self.wrong_lips, self.modalities = dropout, wrong_lips, modalities
        need_sound(clips, modalities)
        self.form = form
        self._voices = [clip for clip in clips if clip.sound]
        self._clips_by_id = {clip.id: clip for clip in self._voices} if self.sound_corruption.needs_voices else {}

    def modalities_shown(self, index: int, epoch: int = 0) -> tuple[str, ...]:
        """The modalities that a clip is shown with in an epoch."""
        if not self.clips[index].sound:
            return (VIDEO,)
        if self.dropout is None or len(self.modalities) < 2:
            return self.modalities
        return self.dropout.draw_modalities(np.random.default_rng((self.seed, epoch, index, 1)))

    def item(self, index: int, epoch: int = 0) -> Item:
        """``video`` (T, 1, 88, 88) and ``sound`` in its form of one clip, zeros where it is not shown; its targets."""
        clip, shown = self.clips[index], self.modalities_shown(index, epoch)
        rng = np.random.default_rng((self.seed, epoch, index))
        choices = np.random.default_rng((self.seed, epoch, index, 5))
        frames, targets = np.arange(clip.num_frames), self.teacher(clip, clip.num_frames, choices)
        if self.augmentation is not None and self.augmentation.speed:
            frames = speed_indices(len(frames), self.augmentation.speed, rng)
            targets = at_frames(targets, frames)
        if self.augmentation is not None and self.augmentation.trim:
            span = trim_span(targets[FRAME_TOKENS].values > BLANK, rng)
            frames, targets = frames[span], at_frames(targets, span)
        inputs = {VIDEO: torch.zeros(len(frames), 1, SIDE, SIDE), SOUND: empty_sound(len(frames), self.form)}
        if VIDEO in shown:
            crop = self.crop(self._lips_clip(index, epoch) if SOUND in shown else clip)
            crop = corrupted_crop(crop[frames.clip(max=len(crop) - 1)], self.corruption, (self.seed, epoch, index))
            inputs[VIDEO] = to_network_input(crop, self.augmentation, rng)
        if SOUND in shown:
            inputs[SOUND] = self._sound(index, epoch)[torch.from_numpy(frames)]
        return Item(inputs, as_tensors(targets))

    def batch(self, indices: Sequence[int], epoch: int = 0) -> Batch:
        """The padded batch of several clips, with the modalities that each has."""
        shown = [self.modalities_shown(index, epoch) for index in indices]
        present = {name: torch.tensor([name in modalities for modalities in shown]) for name in (VIDEO, SOUND)}
        return replace(super().batch(indices, epoch), present=present)

    def _draw_sound_corruption(self, index: int, epoch: int) -> DrawnSound:
        """The corruption drawn for a clip's sound in an epoch."""
        return drawn_sound(self.sound_corruption, (self.seed, epoch, index), self.clips[index].id, self._clips_by_id)

    def _sound(self, index: int, epoch: int) -> Tensor:
        """The sound of a whole clip in its form, in training corrupted and with bands masked."""
        wave = corrupted_wave(
            clip_wave(self.clips[index]), self._draw_sound_corruption(index, epoch), self._clips_by_id, clip_wave
        )
        sound = to_sound_input(wave, self.form)
        if self.augmentation is None or self.form != MEL:
            return sound
        return masked_bands(sound, self.augmentation.mask_bands, np.random.default_rng((self.seed, epoch, index, 2)))

    def _noisy(self, index: int, epoch: int, least: float) -> bool:
        """Whether noise is mixed in at an SNR below ``least`` dB."""
        drawn = self._draw_sound_corruption(index, epoch)
        return bool(drawn.noise) and drawn.snr < least

    def _lips_clip(self, index: int, epoch: int) -> Clip:
        """The clip whose lips are shown with the sound of clip ``index``."""
        rng, wrong = np.random.default_rng((self.seed, epoch, index, 3)), self.wrong_lips
        if wrong is None or self._noisy(index, epoch, wrong.snr) or rng.random() >= wrong.p:
            return self.clips[index]
        return self.clips[rng.integers(len(self.clips))]


def masked_bands(sound: Tensor, widest: int, rng: np.random.Generator) -> Tensor:
    """Sound (T, 4, 80) with two groups of at most ``widest`` neighbouring bands set to their mean."""
    for _ in range(2 if widest else 0):
        width = int(rng.integers(0, widest + 1))
        first = int(rng.integers(0, NUM_MELS - width + 1))
        sound[..., first : first + width] = 0.0
    return sound


def need_sound(clips: Sequence[Clip], modalities: Sequence[str]) -> None:
    """Raise VsrError bad_manifest if sound is to be read and no clip has any, or sound alone and a clip has none."""
    silent = [clip for clip in clips if not clip.sound]
    if SOUND not in modalities or not silent:
        return
    if len(silent) == len(clips) or VIDEO not in modalities:
        problem = f"{len(silent)} of {len(clips)} clips have no sound, such as {silent[0].id}"
        raise VsrError("bad_manifest", f"{problem}: run vsr waves first, or read the lips alone (--modality video)")
