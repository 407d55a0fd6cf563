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
from vsr.data.targets import FRAME_TOKENS, Encoder, Item, Taught, at_frames
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

    def kept(self, rng: np.random.Generator) -> tuple[str, ...]:
        """The modalities of which a clip is shown."""
        drawn = rng.random()
        if drawn < self.video:
            return (SOUND,)
        return (VIDEO,) if drawn < self.video + self.sound else (VIDEO, SOUND)


@dataclass(frozen=True)
class WrongLips:
    """How often a training clip that is heard well is shown with the lips of another clip: with odds ``p`` where its
    sound has no noise, or an SNR of at least ``snr`` dB.

    Lips are nearly always read right in clips that a model was trained on, and it would learn to believe them before
    the best of sounds, also where it reads new lips wrong.
    """

    p: float = 0.0
    snr: float = 5.0

    def __post_init__(self):
        check_numbers(self, "data.wrong_lips.", p=SHARE)


class AudioVisualDataset(CropDataset):
    """Clips with their crops and, where they have some, their sound.

    Args:
        clips, tokenizer, augmentation, seed, heads: as of `CropDataset`; where frames are moved, sound moves along.
        dropout, wrong_lips, corruption: of training clips.
        modalities: which of the two are shown; a clip without sound is shown by its video alone.
        form: in which sound is given, of `vsr.data.modalities`.
    """

    def __init__(
        self, clips: Sequence[Clip], tokenizer: Encoder, augmentation: Augmentation | None = None, seed: int = 0,
        heads: Mapping[str, Taught] | None = None, dropout: ModalityDropout | None = None,
        modalities: tuple[str, ...] = (VIDEO, SOUND), wrong_lips: WrongLips | None = None,
        form: str = MEL, corruption: Corruption | None = None,
    ):  # fmt: skip
        super().__init__(clips, tokenizer, augmentation, seed, heads, corruption.video if corruption else None)
        self.sound_corruption = corruption.sound if corruption else SoundCorruption()
        self.dropout, self.wrong_lips, self.modalities = dropout, wrong_lips, modalities
        need_sound(clips, modalities)
        self.form = form
        self._voices = [clip for clip in clips if clip.sound]
        self._named = {clip.id: clip for clip in self._voices} if self.sound_corruption.needs_voices else {}

    def shown(self, index: int, epoch: int = 0) -> tuple[str, ...]:
        """The modalities in which a clip is shown in an epoch."""
        if not self.clips[index].sound:
            return (VIDEO,)
        if self.dropout is None or len(self.modalities) < 2:
            return self.modalities
        return self.dropout.kept(np.random.default_rng((self.seed, epoch, index, 1)))

    def item(self, index: int, epoch: int = 0) -> Item:
        """``video`` (T, 1, 88, 88) and ``sound`` in its form of one clip, zeros where it is not shown; its targets."""
        clip, shown = self.clips[index], self.shown(index, epoch)
        rng = np.random.default_rng((self.seed, epoch, index))
        frames, targets = np.arange(clip.num_frames), self.teacher(clip, clip.num_frames)
        if self.augmentation is not None and self.augmentation.speed:
            frames = speed_indices(len(frames), self.augmentation.speed, rng)
            targets = at_frames(targets, frames)
        if self.augmentation is not None and self.augmentation.trim:
            span = trim_span(targets[FRAME_TOKENS].values > BLANK, rng)
            frames, targets = frames[span], at_frames(targets, span)
        inputs = {VIDEO: torch.zeros(len(frames), 1, SIDE, SIDE), SOUND: empty_sound(len(frames), self.form)}
        if VIDEO in shown:
            crop = self.crop(self._seen(index, epoch) if SOUND in shown else clip)
            crop = corrupted_crop(crop[frames.clip(max=len(crop) - 1)], self.corruption, (self.seed, epoch, index))
            inputs[VIDEO] = to_network_input(crop, self.augmentation, rng)
        if SOUND in shown:
            inputs[SOUND] = self._sound(index, epoch)[torch.from_numpy(frames)]
        return Item(inputs, as_tensors(targets))

    def batch(self, indices: Sequence[int], epoch: int = 0) -> Batch:
        """The padded batch of several clips, with what each of them has."""
        shown = [self.shown(index, epoch) for index in indices]
        present = {name: torch.tensor([name in own for own in shown]) for name in (VIDEO, SOUND)}
        return replace(super().batch(indices, epoch), present=present)

    def _drawn(self, index: int, epoch: int) -> DrawnSound:
        """What is done to a clip's sound in an epoch."""
        return drawn_sound(self.sound_corruption, (self.seed, epoch, index), self.clips[index].id, self._named)

    def _sound(self, index: int, epoch: int) -> Tensor:
        """The whole clip's in its form, in training corrupted and with bands hidden."""
        wave = corrupted_wave(clip_wave(self.clips[index]), self._drawn(index, epoch), self._named, clip_wave)
        sound = to_sound_input(wave, self.form)
        if self.augmentation is None or self.form != MEL:
            return sound
        return masked_bands(sound, self.augmentation.mask_bands, np.random.default_rng((self.seed, epoch, index, 2)))

    def _noisy(self, index: int, epoch: int, least: float) -> bool:
        """Whether noise is mixed in below a ratio, dB."""
        drawn = self._drawn(index, epoch)
        return bool(drawn.noise) and drawn.snr < least

    def _seen(self, index: int, epoch: int) -> Clip:
        """The clip whose lips are shown beside the sound of one."""
        rng, wrong = np.random.default_rng((self.seed, epoch, index, 3)), self.wrong_lips
        if wrong is None or self._noisy(index, epoch, wrong.snr) or rng.random() >= wrong.p:
            return self.clips[index]
        return self.clips[rng.integers(len(self.clips))]


def masked_bands(sound: Tensor, widest: int, rng: np.random.Generator) -> Tensor:
    """Sound (T, 4, 80) with two groups of at most ``widest`` neighbouring bands at their mean."""
    for _ in range(2 if widest else 0):
        width = int(rng.integers(0, widest + 1))
        first = int(rng.integers(0, NUM_MELS - width + 1))
        sound[..., first : first + width] = 0.0
    return sound


def need_sound(clips: Sequence[Clip], modalities: Sequence[str]) -> None:
    """Raises VsrError bad_manifest where sound is to be read and no clip has any, or sound alone and one has none."""
    silent = [clip for clip in clips if not clip.sound]
    if SOUND not in modalities or not silent:
        return
    if len(silent) == len(clips) or VIDEO not in modalities:
        problem = f"{len(silent)} of {len(clips)} clips have no sound, such as {silent[0].id}"
        raise VsrError("bad_manifest", f"{problem}: run vsr waves first, or read the lips alone (--modality video)")
