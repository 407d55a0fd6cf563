"""The models of USR and USR 2.0 (Haliassos et al. 2024, 2026): one transformer for lips, sound and both, each with a
projection and heads of its own. A folder is made for one of the three. The transformer is RAVEn's, with other
normalisations.
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
COMPILED = "_orig_mod."  # before every name of a model that torch.compile made
WRAPPERS = ("model.backbone.", "backbone.")  # before those of the reader in a checkpoint of training
LETTERS = {VIDEO: "v", SOUND: "a", BOTH: "av"}  # how it names what is read
FRONTS = {"v": "encoder.frontend_v.", "a": "encoder.frontend_a."}
PARTS = ("encoder.linear_{}.", "ctc_{}.", "decoder.out_layer_{}.")  # of each way of reading
COMMON = ("proj_encoder.", "ctc.", "decoder.output_layer.")
HEARD = "heard."  # where the front end of sound stands here beside that of lips


def build(weights: Mapping[str, Tensor], modality: str = VIDEO) -> LipReader:
    """The reader of lips, of sound or of both in a checkpoint.

    Raises:
        VsrError: bad_model naming the first tensor that does not belong.
    """
    weights = unwrapped(weights)
    for front in (FRONTS[letter] for letter in LETTERS[modality]):
        if not any(name.startswith(front) for name in weights):
            raise VsrError("bad_model", f"not a model of USR: it has no '{front.removesuffix('.')}' tensors")
    named = _named(weights, LETTERS[modality])
    unused = _unused(LETTERS[modality])
    return raven.build(named, unused) if modality != BOTH else _both(named, unused)


def _named(weights: Mapping[str, Tensor], letters: str) -> dict[str, Tensor]:
    """The tensors of one way of reading under RAVEn's names; of both, the front end of sound as ``HEARD``."""
    places = dict(zip((part.format(letters) for part in PARTS), COMMON, strict=True))
    places |= {FRONTS["a"]: HEARD, FRONTS["v"]: "frontend."} if letters == "av" else {FRONTS[letters]: "frontend."}
    names = {}
    for name, tensor in weights.items():
        place = next((theirs for theirs in places if name.startswith(theirs)), None)
        names[name if place is None else places[place] + name.removeprefix(place)] = tensor
    return names


def _unused(letters: str) -> list[str]:
    """Regular expressions for the tensors of the other ways of reading."""
    others = [own for own in LETTERS.values() if own != letters]
    fronts = [front for letter, front in FRONTS.items() if letter not in letters]
    places = [part.format(own) for own in others for part in PARTS] + fronts
    return [re.escape(place) + ".*" for place in places]


def _both(weights: dict[str, Tensor], unused: Sequence[str]) -> LipReader:
    """Its projection of lips and sound side by side is the sum of one of each."""
    weight = weights.pop("proj_encoder.weight", None)
    if weight is None or weight.dim() != 2 or weight.shape[1] % 2:
        raise VsrError("bad_model", "the checkpoint has no 'encoder.linear_av.weight' of two sides")
    seen, heard = weight.chunk(2, 1)
    weights |= {"proj_encoder.weight": seen, "proj_heard.weight": heard, "proj_heard.bias": torch.zeros(len(weight))}
    weights |= {f"missing.{name}": torch.zeros(len(weight)) for name in (VIDEO, SOUND)}
    lips, rows = raven.video_front(weights, "frontend.streams.video.")
    sound, further = wave_front(weights, False, "frontend.streams.sound.", f"{HEARD}trunk.", "proj_heard.")
    front = {"kind": "audio_visual", "video": lips, "sound": sound, "fusion": "add", "whole": True}
    table = [*rows, *further, ("frontend.missing.", "missing."), *raven.TABLE]
    return raven.filled(weights, raven.sizes(weights, front), table, unused)


def unwrapped(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The reader's tensors under its own names; what stands beside a wrapped one was for training alone."""
    found = {name.removeprefix(COMPILED): tensor for name, tensor in weights.items()}
    for wrapper in WRAPPERS:
        if any(name.startswith(wrapper) for name in found):
            found = {n.removeprefix(wrapper): tensor for n, tensor in found.items() if n.startswith(wrapper)}
    return found
