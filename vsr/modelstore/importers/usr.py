"""The models of USR and USR 2.0 (Haliassos et al. 2024, 2026): one transformer for lips, sound and both, each modality
with its own projection and heads. A folder is made for one of the three. The transformer is RAVEn's with other
normalisation layers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vsr.core.errors import VsrError
from vsr.data.modalities import BOTH, SOUND, VIDEO
from vsr.models.lipreader import LipReader
from vsr.modelstore.importers import raven
from vsr.modelstore.importers.wave_front import wave_front

LICENCE = (
    "USR's repository names no licence, that of USR 2.0 is CC BY-NC 4.0, and the weights were trained on LRS3 and\n"
    "other corpora of research use: see https://github.com/ahaliassos/usr and /usr2 for what applies to you."
)
DECODE = raven.DECODE
COMPILED = "_orig_mod."  # prefix of all names in a model of torch.compile
WRAPPERS = ("model.backbone.", "backbone.")  # prefixes of the reader's names in a training checkpoint
LETTERS = {VIDEO: "v", SOUND: "a", BOTH: "av"}  # its names of the modalities
FRONTS = {"v": "encoder.frontend_v.", "a": "encoder.frontend_a."}
PARTS = ("encoder.linear_{}.", "ctc_{}.", "decoder.out_layer_{}.")  # separate for each modality
COMMON = ("proj_encoder.", "ctc.", "decoder.output_layer.")
HEARD = "heard."  # prefix of the front end of sound here, beside that of lips


def build(weights: Mapping[str, Tensor], modality: str = VIDEO) -> LipReader:
    """The model for lips, sound or both in a checkpoint.

    Raises:
        VsrError: bad_model naming the first tensor that does not fit.
    """
    weights = unwrapped(weights)
    for front in (FRONTS[letter] for letter in LETTERS[modality]):
        if not any(name.startswith(front) for name in weights):
            raise VsrError("bad_model", f"not a model of USR: it has no '{front.removesuffix('.')}' tensors")
    named = _raven_names(weights, LETTERS[modality])
    unused = _unused(LETTERS[modality])
    return raven.build(named, unused) if modality != BOTH else _audio_visual_reader(named, unused)


def _raven_names(weights: Mapping[str, Tensor], letters: str) -> dict[str, Tensor]:
    """The tensors of one modality under RAVEn's names; for both, the front end of sound as ``HEARD``."""
    prefixes = dict(zip((part.format(letters) for part in PARTS), COMMON, strict=True))
    prefixes |= {FRONTS["a"]: HEARD, FRONTS["v"]: "frontend."} if letters == "av" else {FRONTS[letters]: "frontend."}
    names = {}
    for name, tensor in weights.items():
        prefix = next((old for old in prefixes if name.startswith(old)), None)
        names[name if prefix is None else prefixes[prefix] + name.removeprefix(prefix)] = tensor
    return names


def _unused(letters: str) -> list[str]:
    """Regular expressions for the tensors of the other modalities."""
    other_letters = [other for other in LETTERS.values() if other != letters]
    fronts = [front for letter, front in FRONTS.items() if letter not in letters]
    prefixes = [part.format(other) for other in other_letters for part in PARTS] + fronts
    return [re.escape(prefix) + ".*" for prefix in prefixes]


def _audio_visual_reader(weights: dict[str, Tensor], unused: Sequence[str]) -> LipReader:
    """The model for both; its projection of concatenated lips and sound becomes the sum of two projections."""
    weight = weights.pop("proj_encoder.weight", None)
    if weight is None or weight.dim() != 2 or weight.shape[1] % 2:
        raise VsrError("bad_model", "the checkpoint has no 'encoder.linear_av.weight' of two sides")
    video, sound_weight = weight.chunk(2, 1)
    weights |= {
        "proj_encoder.weight": video,
        "proj_heard.weight": sound_weight,
        "proj_heard.bias": torch.zeros(len(weight)),
    }
    weights |= {f"missing.{name}": torch.zeros(len(weight)) for name in (VIDEO, SOUND)}
    lips, rows = raven.video_front(weights, "frontend.streams.video.")
    sound, sound_rows = wave_front(weights, False, "frontend.streams.sound.", f"{HEARD}trunk.", "proj_heard.")
    front = {"kind": "audio_visual", "video": lips, "sound": sound, "fusion": "add", "whole": True}
    table = [*rows, *sound_rows, ("frontend.missing.", "missing."), *raven.TABLE]
    return raven.filled(weights, raven.sizes(weights, front), table, unused)


def unwrapped(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The reader's tensors under its own names; tensors outside the wrapper were for training only."""
    tensors = {name.removeprefix(COMPILED): tensor for name, tensor in weights.items()}
    for wrapper in WRAPPERS:
        if any(name.startswith(wrapper) for name in tensors):
            tensors = {n.removeprefix(wrapper): tensor for n, tensor in tensors.items() if n.startswith(wrapper)}
    return tensors
