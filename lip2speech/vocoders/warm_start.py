"""Initialises a vocoder with the matching layers of a published Vocos."""

from __future__ import annotations

from pathlib import Path

import torch

from lip2speech.vocoders.generator import Generator
from lip2speech.vocoders.vocos import KERNEL, Vocos, load_vocos
from vsr.core.errors import VsrError
from vsr.media.mel import N_FFT, NUM_MELS

SHARED = ("dim", "hidden", "layers")


def start_from_vocos(folder: str | Path, generator: Generator) -> str:
    """Copy the layers that fit into ``generator``; returns a sentence that lists them.

    The backbone is always copied; the mel's part of the first convolution if there are 80 bands, with zero weights for
    units and speaker, so that the backbone's output is that of Vocos; the last layer if n_fft is 640 and the generator
    has no `mel_skip`, which already adds the magnitudes. Only shapes are compared: training adapts to another mel
    (bands, scale, logarithm's base).

    Raises VsrError bad_model where the backbones differ in size.
    """
    source = load_vocos(folder)
    _check_sizes(folder, source, generator)
    for name in ("norm_in", "blocks", "norm_out"):
        getattr(generator, name).load_state_dict(getattr(source, name).state_dict())
    copied = ["backbone"]
    if source.config.n_mels == NUM_MELS:
        with torch.no_grad():
            generator.embed.weight.zero_()[:, :NUM_MELS] = source.embed.weight
            generator.embed.bias.copy_(source.embed.bias)
        copied.append("first layer (units and speaker begin at zero)")
    if source.config.n_fft == N_FFT and not generator.config.mel_skip:
        generator.head.load_state_dict(source.head.state_dict())
        copied.append("last layer")
    return f"taken from the Vocos {folder}: {', '.join(copied)}"


def _check_sizes(folder: str | Path, source: Vocos, generator: Generator) -> None:
    source_sizes = {name: getattr(source.config, name) for name in SHARED} | {"kernel": KERNEL}
    for name, size in source_sizes.items():
        if (expected := getattr(generator.config, name)) != size:
            problem = f"its {name} is {size}, model.{name} is {expected}"
            raise VsrError("bad_model", f"init_from: {folder} is a Vocos of other sizes: {problem}")
