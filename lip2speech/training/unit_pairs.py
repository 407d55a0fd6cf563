"""Training data of a unit translator: source clips, each with clips that say the same in another language.

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
from vsr.core.progress import count_items
from vsr.core.tokens import IGNORE
from vsr.data.frame_units import read_frame_units
from vsr.data.manifest import Clip, translation_of
from vsr.data.sound_input import clip_wave
from vsr.media.units import Codebook, open_extractor


class PairDataset:
    """Source clips, each with a target clip in another language, drawn for each clip and epoch by the seed.

    Args:
        clips: source clips; those without a translation in the model's languages are left out.
        targets: possible target clips.
        units: id of a clip -> its units (2T,).
        config: of the model, which defines the languages.
        replaced: share of source units that are replaced at random; seed: of all random choices.
    """

    def __init__(
        self, clips: Sequence[Clip], targets: Sequence[Clip], units: Mapping[str, Tensor], config: TranslatorSizes,
        replaced: float = 0.0, seed: int = 0,
    ):  # fmt: skip
        clips_by_text = group_by_text(targets)
        pairs = {clip.id: translations_of(clip, clips_by_text, config.languages) for clip in clips}
        self.clips = [clip for clip in clips if pairs[clip.id]]
        self.pairs, self.units, self.config = pairs, units, config
        self.replaced, self.seed = replaced, seed

    def batch(self, indices: Sequence[int], epoch: int = 0) -> UnitPairs:
        """The padded batch of several clips."""
        source, tokens, steps, first = zip(*(self._item(index, epoch) for index in indices), strict=True)
        return UnitPairs(
            pad_sequence(list(source), True), torch.tensor([len(units) for units in source]),
            pad_sequence(list(tokens), True, IGNORE), pad_sequence(list(steps), True), torch.tensor(first),
        )  # fmt: skip

    def _item(self, index: int, epoch: int) -> tuple[Tensor, Tensor, Tensor, int]:
        """Source units (T, 2), target tokens (U,), their steps (U,), and the token of the language."""
        rng, clip = np.random.default_rng((self.seed, epoch, index)), self.clips[index]
        choices = self.pairs[clip.id]
        language, target = choices[int(rng.integers(len(choices)))]
        units = self.units[clip.id].numpy()
        random_units = rng.integers(0, self.config.units, units.shape)
        units = np.where(rng.random(units.shape) < self.replaced, random_units, units)
        run_units, counts = runs(self.units[target.id].tolist())
        source = torch.from_numpy(units).view(-1, UNITS_PER_FRAME)
        return source, torch.tensor(run_units) + FIRST, torch.tensor(counts), self.config.token_of(language)


def group_by_text(targets: Sequence[Clip]) -> dict[tuple[str, str], list[Clip]]:
    """(language, text) -> the clips that say it. Raises VsrError bad_manifest for a clip without language."""
    clips_by_text: dict[tuple[str, str], list[Clip]] = defaultdict(list)
    for clip in targets:
        if not clip.language:
            raise VsrError("bad_manifest", f"{clip.id} does not say its language, which a translator needs")
        clips_by_text[clip.language, clip.text].append(clip)
    return clips_by_text


def translations_of(clip: Clip, by_text: Mapping, languages: Sequence[str]) -> list[tuple[str, Clip]]:
    """(language, clip) of all clips that are translations of ``clip``."""
    translations = [(language, translation_of(clip, language)) for language in languages if language != clip.language]
    return [(language, target) for language, text in translations for target in by_text.get((language, text), ())]


def units_of(clips: Sequence[Clip], codebook: Codebook, features: str = "") -> dict[str, Tensor]:
    """id -> units (2T,) of each clip, read from the folder ``features`` or extracted from its audio. Raises
    VsrError."""
    size, sounds = len(codebook), {clip.id: clip.sound for clip in clips}
    if duplicates := [clip.id for clip in clips if sounds[clip.id] != clip.sound]:
        raise VsrError(
            "bad_manifest", f"{duplicates[0]} is the id of two sounds: give the clips of the lists different ids"
        )
    if features:
        stored = ((c.id, read_frame_units(features, c, "units", c.num_frames, UNITS_PER_FRAME, 1, size)) for c in clips)
        return {name: torch.from_numpy(units).flatten() for name, units in stored}
    extractor = open_extractor(codebook.extractor)
    progress = count_items(clips, "units", len(clips))
    return {clip.id: codebook.units(extractor.frames(torch.from_numpy(clip_wave(clip)))) for clip in progress}
