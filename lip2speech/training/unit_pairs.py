"""What a translator of units learns from: what is heard, and what says the same in another language.

Shapes: T video frames, two steps of 50 Hz each; U units of a target.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lip2speech.models.durations import runs
from lip2speech.models.translators import FIRST, TranslatorSizes, UnitPairs
from vsr.core.clock import UNITS_PER_FRAME
from vsr.core.errors import VsrError
from vsr.core.progress import counted
from vsr.core.tokens import IGNORE
from vsr.data.frame_units import read_frame_units
from vsr.data.manifest import Clip, translation_of
from vsr.data.sound_input import clip_wave
from vsr.media.units import Codebook, open_extractor


class PairDataset:
    """What is heard, with what says the same in another language, drawn for each clip and epoch by the seed.

    Args:
        clips: what is heard; those that nothing in ``languages`` translates are left out.
        targets: what may be said.
        units: id of a clip -> its units (2T,).
        config: of the model, which says the languages.
        replaced: share of units that are changed; seed: of all that is drawn.
    """

    def __init__(
        self, clips: Sequence[Clip], targets: Sequence[Clip], units: Mapping[str, Tensor], config: TranslatorSizes,
        replaced: float = 0.0, seed: int = 0,
    ):  # fmt: skip
        said = said_by(targets)
        pairs = {clip.id: pairs_of(clip, said, config.languages) for clip in clips}
        self.clips = [clip for clip in clips if pairs[clip.id]]
        self.pairs, self.units, self.config = pairs, units, config
        self.replaced, self.seed = replaced, seed

    def batch(self, indices: Sequence[int], epoch: int = 0) -> UnitPairs:
        """The padded batch of several clips."""
        source, tokens, steps, first = zip(*(self._item(index, epoch) for index in indices), strict=True)
        return UnitPairs(
            pad_sequence(list(source), True), torch.tensor([len(own) for own in source]),
            pad_sequence(list(tokens), True, IGNORE), pad_sequence(list(steps), True), torch.tensor(first),
        )  # fmt: skip

    def _item(self, index: int, epoch: int) -> tuple[Tensor, Tensor, Tensor, int]:
        """Units (T, 2), tokens (U,) and their steps, the token of the language."""
        rng, clip = np.random.default_rng((self.seed, epoch, index)), self.clips[index]
        choices = self.pairs[clip.id]
        language, target = choices[int(rng.integers(len(choices)))]
        units = self.units[clip.id].numpy()
        others = rng.integers(0, self.config.units, units.shape)
        units = np.where(rng.random(units.shape) < self.replaced, others, units)
        found, counts = runs(self.units[target.id].tolist())
        source = torch.from_numpy(units).view(-1, UNITS_PER_FRAME)
        return source, torch.tensor(found) + FIRST, torch.tensor(counts), self.config.token_of(language)


def said_by(targets: Sequence[Clip]) -> dict[tuple[str, str], list[Clip]]:
    """(language, text) -> the clips that say it. Raises VsrError bad_manifest for one without language."""
    found: dict[tuple[str, str], list[Clip]] = defaultdict(list)
    for clip in targets:
        if not clip.language:
            raise VsrError("bad_manifest", f"{clip.id} does not say its language, which a translator needs")
        found[clip.language, clip.text].append(clip)
    return found


def pairs_of(clip: Clip, said: Mapping, languages: Sequence[str]) -> list[tuple[str, Clip]]:
    """(language, clip) of all that say in another language what a clip says."""
    others = [(own, translation_of(clip, own)) for own in languages if own != clip.language]
    return [(language, target) for language, text in others for target in said.get((language, text), ())]


def units_of(clips: Sequence[Clip], codebook: Codebook, features: str = "") -> dict[str, Tensor]:
    """id -> units (2T,) of each clip: those of a folder, or made of its sound. Raises VsrError."""
    size, sounds = len(codebook), {clip.id: clip.sound for clip in clips}
    if twice := [clip.id for clip in clips if sounds[clip.id] != clip.sound]:
        raise VsrError("bad_manifest", f"{twice[0]} is the id of two sounds: give the clips of the lists different ids")
    if features:
        each = ((c.id, read_frame_units(features, c, "units", c.num_frames, UNITS_PER_FRAME, 1, size)) for c in clips)
        return {name: torch.from_numpy(own).flatten() for name, own in each}
    extractor = open_extractor(codebook.extractor)
    found = counted(clips, "units", len(clips))
    return {clip.id: codebook.units(extractor.frames(torch.from_numpy(clip_wave(clip)))) for clip in found}
