"""CoGenAV (Bai et al. 2025): AV-HuBERT's encoder with Whisper's log-mel for sound; it reads lips, sound or both.

The checkpoint also has layers that adapt its states to a frozen Whisper, which writes the text. With a folder of that
Whisper it becomes a reader (`vsr.models.adapted_whisper`); without, only an encoder, for features or for training heads
on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vsr.core.errors import VsrError
from vsr.models.borrowed import hashes_of
from vsr.models.lipreader import LipReader, LipReaderConfig, encoder_of
from vsr.models.whisper_head import whisper_sizes
from vsr.modelstore.importers import av_hubert
from vsr.modelstore.importers.mapping import Table, convert, count, dimension_of, skeleton

LICENCE = (
    "CoGenAV's publisher names no licence for its weights. They were trained on LRS2, whose terms allow research\n"
    "only: ask before you use them, see https://huggingface.co/detao/CoGenAV."
)
INSIDE = "encoder."  # prefix of the encoder's names
UNUSED = (r"upsampler\..*", r"adapter\..*")  # layers between the encoder and Whisper
SOUND: Table = [
    ("frontend.streams.sound.conv1.", av_hubert.HEARD + "conv1."),
    ("frontend.streams.sound.conv2.", av_hubert.HEARD + "conv2."),
]
HEAD = 64  # width of an attention head, in both published sizes
RAW = (768,)  # widths of models whose input pixels are from 0 to 1: the base model


TEXT = "text"  # the head's name
ATTENTION = (("query", "q"), ("key", "k"), ("value", "v"), ("out", "out_proj"))
HEAD_TABLE: Table = [
    ("doubled.change.", "upsampler.delta_net.0."),
    ("adapter.feed_forward.", "adapter.layers.0.ffn."),
    *((f"adapter.layers.{{}}.attention.{a}.", f"adapter.layers.{{}}.attn.{b}.") for a, b in ATTENTION),
    ("adapter.layers.{}.norm_attention.", "adapter.layers.{}.attn_norm."),
    ("adapter.layers.{}.norm.", "adapter.layers.{}.ffn_norm."),
]


def build(weights: Mapping[str, Tensor], head: int = HEAD, whisper: str | Path | None = None) -> LipReader:
    """The encoder of a checkpoint, or with Whisper's folder the reader; ``head``: the width of an attention head, which
    the tensors do not say. Whisper's weights are not loaded yet (`vsr.models.borrowed`).

    Raises:
        VsrError: bad_model naming the first tensor that does not fit; errors of `vsr.models.text_backbone`.
    """
    name = f"{av_hubert.HEARD}conv2.weight"
    if INSIDE + name not in weights:
        raise VsrError("bad_model", f"not a model of CoGenAV: it has no '{INSIDE}{name}'")
    tensors = {key.removeprefix(INSIDE): tensor for key, tensor in weights.items()}
    dim = dimension_of(tensors, name, 0)
    if dim % head:
        raise VsrError("bad_model", f"{INSIDE + name!r} makes {dim} channels, which no heads of {head} share")
    kind = "raw_resnet3d" if dim in RAW else "resnet3d"
    settings = {"encoder_attention_heads": dim // head}
    encoder = av_hubert.hearing_model(tensors, settings, kind, "whisper_mel", SOUND, UNUSED)
    return encoder if whisper is None else reader(encoder, weights, whisper)


def reader(encoder: LipReader, weights: Mapping[str, Tensor], whisper: str | Path) -> LipReader:
    """The encoder with the layers of a checkpoint that adapt its states to a Whisper. Raises VsrError."""
    sizes = whisper_sizes(str(whisper), {})
    if sizes["d_model"] != encoder.config.dim:
        problem = f"is {sizes['d_model']} wide, this model {encoder.config.dim}"
        raise VsrError("bad_model", f"{whisper} {problem}: the large one goes with Whisper medium, the base with small")
    config = _reading(encoder.config, str(Path(whisper).resolve()), sizes, count(weights, "adapter.layers.{}."))
    model = skeleton(config)
    expected = {
        name: tensor for name, tensor in model.further_heads[TEXT].state_dict().items() if "whisper." not in name
    }
    adapter = convert(_adapter(weights), expected, HEAD_TABLE)
    state = {f"{part}.of.{name}": tensor for part in ("frontend", "encoder")
              for name, tensor in getattr(encoder, part).state_dict().items()}  # fmt: skip
    state |= {f"further_heads.{TEXT}.{name}": tensor for name, tensor in adapter.items()}
    model.load_state_dict(state, strict=False, assign=True)
    return model.eval()


def _reading(config: LipReaderConfig, whisper: str, sizes: Mapping[str, Any], layers: int) -> LipReaderConfig:
    """The settings of the reader: the encoder's over Whisper's whole window, and the head."""
    front = {"of": {"kind": config.frontend, **config.frontend_settings}, "frames": sizes["max_source_positions"] // 2}
    of = {"kind": config.encoder, **asdict(encoder_of(config))}
    head = {"kind": "adapted_whisper", "backbone": whisper, "layers": layers, "sha256": hashes_of(whisper)}
    return replace(
        config, frontend="window", frontend_settings=front, encoder="window", encoder_settings={"of": of},
        further_heads={TEXT: head},
    )  # fmt: skip


def _adapter(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The adapter's tensors: queries, keys and values separate, those shared by all layers once. Raises VsrError."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if not name.startswith(("upsampler.", "adapter.")):
            continue
        if (shared := re.match(r"adapter\.layers\.[1-9]\d*\.ffn\.(.*)", name)) is not None:
            first = weights.get(f"adapter.layers.0.ffn.{shared[1]}")
            if first is None or not torch.equal(first, tensor):
                raise VsrError("bad_model", f"{name!r} is not that of the first layer, which all layers share")
        elif ".attn.in_proj_" in name and tensor.shape[0] % 3 == 0:
            prefix, _, kind = name.partition("in_proj_")
            tensors |= {f"{prefix}{letter}.{kind}": part for letter, part in zip("qkv", tensor.chunk(3), strict=True)}
        else:
            tensors[name] = tensor
    return tensors
