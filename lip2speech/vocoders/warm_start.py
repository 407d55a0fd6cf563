"""A vocoder of ours begins with the layers of a published Vocos that fit."""

from __future__ import annotations

from pathlib import Path

import torch

from lip2speech.vocoders.generator import Generator
from lip2speech.vocoders.vocos import KERNEL, Vocos, load_vocos
from vsr.core.errors import VsrError
from vsr.media.mel import N_FFT, NUM_MELS

SHARED = ("dim", "hidden", "layers")


def start_from_vocos(folder: str | Path, generator: Generator) -> str:
    """Copy what fits into ``generator``; returns a sentence that says what was taken.

    The backbone always; the mel's part of the first convolution where the bands are 80, and then units and speaker
    begin at zero, so that the backbone gives what Vocos gives; the last layer where n_fft is 640 and the generator's
    own `mel_skip` does not add the magnitudes already. Shapes are compared, not meanings: another mel (bands, scale,
    logarithm's base) is learnt in training.

    Raises VsrError bad_model where the backbones differ in size.
    """
    source = load_vocos(folder)
    _check_sizes(folder, source, generator)
    for name in ("norm_in", "blocks", "norm_out"):
        getattr(generator, name).load_state_dict(getattr(source, name).state_dict())
    taken = ["backbone"]
    if source.config.n_mels == NUM_MELS:
        with torch.no_grad():
            generator.embed.weight.zero_()[:, :NUM_MELS] = source.embed.weight
            generator.embed.bias.copy_(source.embed.bias)
        taken.append("first layer (units and speaker begin at zero)")
    if source.config.n_fft == N_FFT and not generator.config.mel_skip:
        generator.head.load_state_dict(source.head.state_dict())
        taken.append("last layer")
    return f"taken from the Vocos {folder}: {', '.join(taken)}"


def _check_sizes(folder: str | Path, source: Vocos, generator: Generator) -> None:
    theirs = {name: getattr(source.config, name) for name in SHARED} | {"kernel": KERNEL}
    for name, size in theirs.items():
        if (own := getattr(generator.config, name)) != size:
            problem = f"its {name} is {size}, model.{name} is {own}"
            raise VsrError("bad_model", f"init_from: {folder} is a Vocos of other sizes: {problem}")
