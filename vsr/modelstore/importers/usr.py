"""The visual part of the models of USR and USR 2.0 (Haliassos et al. 2024, 2026): one transformer for sound, lips and
both, each with a front end and heads of its own, of which those of the lips are read. The transformer is RAVEn's, with
other normalisations.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from vsr.core.errors import VsrError
from vsr.models.lipreader import LipReader
from vsr.modelstore.importers import raven
from vsr.text.tokenizer import ListTokenizer, SentencePieceTokenizer

LICENCE = (
    "USR's repository names no licence, that of USR 2.0 is CC BY-NC 4.0, and the weights were trained on LRS3 and\n"
    "other corpora of research use: see https://github.com/ahaliassos/usr and /usr2 for what applies to you."
)
DECODE = raven.DECODE
COMPILED = "_orig_mod."  # before every name of a model that torch.compile made
WRAPPERS = ("model.backbone.", "backbone.")  # before those of the reader in a checkpoint of training
LIPS = (
    ("encoder.frontend_v.", "frontend."), ("encoder.linear_v.", "proj_encoder."), ("ctc_v.", "ctc."),
    ("decoder.out_layer_v.", "decoder.output_layer."),
)  # fmt: skip
SOUND = (r"encoder\.(frontend_a|linear_a|linear_av)\..*", r"ctc_(a|av)\..*", r"decoder\.out_layer_(a|av)\..*")


def build(weights: Mapping[str, Tensor]) -> LipReader:
    """The lip reader in a checkpoint. Raises VsrError (bad_model) naming the first tensor that does not belong."""
    weights = unwrapped(weights)
    if not any(name.startswith("encoder.frontend_v.") for name in weights):
        raise VsrError("bad_model", "not a model of USR: it has no 'encoder.frontend_v' tensors")
    names = {}
    for name, tensor in weights.items():
        for theirs, common in LIPS:
            if name.startswith(theirs):
                name = common + name.removeprefix(theirs)
        names[name] = tensor
    return raven.build(names, SOUND)


def unwrapped(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The reader's tensors under its own names; what stands beside a wrapped one was for training alone."""
    found = {name.removeprefix(COMPILED): tensor for name, tensor in weights.items()}
    for wrapper in WRAPPERS:
        if any(name.startswith(wrapper) for name in found):
            found = {n.removeprefix(wrapper): tensor for n, tensor in found.items() if n.startswith(wrapper)}
    return found


def read_tokenizer(model: str | Path | None, units: str | Path | None) -> ListTokenizer | SentencePieceTokenizer:
    """As RAVEn's. Raises VsrError."""
    return raven.read_tokenizer(model, units)
