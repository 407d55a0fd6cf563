"""Clips with crops and sound -> batches for a model of both: noise, and streams left out, fixed by the seed.

Shapes: T frames; wave (640 T,).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, SHARE, Range, check_numbers
from vsr.data.batch import FRAME_TOKENS, Batch, CropDataset, as_tensors
from vsr.data.corruption import Corruption, corrupted_crop, corrupted_wave
from vsr.data.manifest import Clip
from vsr.data.modalities import MEL, SOUND, VIDEO
from vsr.data.sound_corruption import SoundCorruption
from vsr.data.sound_input import clip_wave, empty_sound, to_sound_input
from vsr.data.targets import Item, Taught, at_frames
from vsr.data.transforms import SIDE, Augmentation, speed_indices, to_network_input, trim_span
from vsr.media.mel import NUM_MELS
from vsr.media.mixing import KINDS, mix, noise_of
from vsr.text.tokenizer import BLANK, Tokenizer


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
class SoundNoise:
    """Noise in training sound: with which odds, of which ``kinds`` (`vsr.media.mixing.KINDS`), from the least to the
    greatest ``snr`` (dB, drawn evenly), babble of how many ``voices``, which are other clips of the same list;
    ``mask_bands``: greatest width of each of two groups of mel bands that are hidden (Park et al. 2019), 0 for none."""

    p: float = 0.0
    snr: tuple[float, float] = (-10.0, 20.0)
    kinds: tuple[str, ...] = KINDS
    voices: int = 5
    mask_bands: int = 0

    def __post_init__(self):
        object.__setattr__(self, "snr", tuple(self.snr))
        object.__setattr__(self, "kinds", tuple(self.kinds))
        check_numbers(self, "data.noise.", p=SHARE, voices=COUNT, mask_bands=Range(least=0, most=NUM_MELS))
        if len(self.snr) != 2 or not self.snr[0] <= self.snr[1]:
            raise VsrError("bad_config", f"data.noise.snr is {list(self.snr)}: give the least and the greatest")
        if not self.kinds or set(self.kinds) - set(KINDS):
            raise VsrError("bad_config", f"data.noise.kinds is {list(self.kinds)}; it can have {', '.join(KINDS)}")


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
        noise, dropout, wrong_lips, corruption: of training clips.
        modalities: which of the two are shown; a clip without sound is shown by its video alone.
        form: in which sound is given, of `vsr.data.modalities`.
    """

    def __init__(
        self, clips: Sequence[Clip], tokenizer: Tokenizer, augmentation: Augmentation | None = None, seed: int = 0,
        heads: Mapping[str, Taught] | None = None, noise: SoundNoise | None = None,
        dropout: ModalityDropout | None = None, modalities: tuple[str, ...] = (VIDEO, SOUND),
        wrong_lips: WrongLips | None = None, form: str = MEL, corruption: Corruption | None = None,
    ):  # fmt: skip
        super().__init__(clips, tokenizer, augmentation, seed, heads, corruption.video if corruption else None)
        self.sound_corruption = corruption.sound if corruption else SoundCorruption()
        self.noise, self.dropout, self.wrong_lips, self.modalities = noise, dropout, wrong_lips, modalities
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

    def _drawn(self, index: int, epoch: int) -> tuple[str, float, np.random.Generator]:
        """Kind and SNR (dB) of a clip's noise in an epoch, infinite for none, and what the noise is drawn by."""
        rng, noise = np.random.default_rng((self.seed, epoch, index, 2)), self.noise
        if noise is None or rng.random() >= noise.p:
            return "", float("inf"), rng
        return noise.kinds[rng.integers(len(noise.kinds))], float(rng.uniform(*noise.snr)), rng

    def _sound(self, index: int, epoch: int) -> Tensor:
        """The whole clip's in its form, in training with noise."""
        wave = clip_wave(self.clips[index])
        kind, decibels, rng = self._drawn(index, epoch)
        if kind:
            wave = mix(wave, noise_of(kind, len(wave), self._others(index, kind, rng), rng), decibels)
        own, seed = self.clips[index].id, (self.seed, epoch, index)
        wave = corrupted_wave(wave, self.sound_corruption, seed, own, self._named, clip_wave)
        sound = to_sound_input(wave, self.form)
        return sound if self.noise is None or self.form != MEL else masked_bands(sound, self.noise.mask_bands, rng)

    def _seen(self, index: int, epoch: int) -> Clip:
        """The clip whose lips are shown beside the sound of one."""
        rng, wrong = np.random.default_rng((self.seed, epoch, index, 3)), self.wrong_lips
        if wrong is None or self._drawn(index, epoch)[1] < wrong.snr or rng.random() >= wrong.p:
            return self.clips[index]
        return self.clips[rng.integers(len(self.clips))]

    def _others(self, index: int, kind: str, rng: np.random.Generator) -> list[np.ndarray]:
        """The voices of babble: other clips of the list."""
        if kind != "babble" or self.noise is None:
            return []
        drawn = rng.integers(len(self._voices), size=self.noise.voices)
        return [clip_wave(self._voices[i]) for i in drawn if self._voices[i].id != self.clips[index].id]


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
        raise VsrError("bad_manifest", f"{problem}: run vsr waves first, or read by the lips (--modality video)")
