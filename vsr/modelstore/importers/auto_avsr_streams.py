"""Auto-AVSR's models for lips, sound, and both (Ma et al. 2023), distinguished by their tensors.

A model for both has two complete encoders, whose states an MLP fuses; it was trained with both together only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vsr.core.errors import VsrError
from vsr.models.lipreader import LipReader, LipReaderConfig, encoder_of, frontend_of
from vsr.modelstore.importers import auto_avsr
from vsr.modelstore.importers.auto_avsr import LAYER, STEP, TABLE, UNUSED
from vsr.modelstore.importers.mapping import Table, config_of, convert, count, dimension_of, skeleton, trunk_table
from vsr.modelstore.importers.wave_front import has_wave_front, wave_front, without_kind

AUXILIARY = "aux_"  # prefix of names in the encoder of sound
LIPS, SOUND = "frontend.streams.video.", "frontend.streams.sound."
FUSION: Table = [
    ("frontend.fusion.hidden.", "fusion.fc1."),
    ("frontend.fusion.norm.", "fusion.{norm}."),
    ("frontend.fusion.out.", "fusion.fc2."),
    ("frontend.missing.", "missing."),  # not in the checkpoint: zeros
]
NORMS = {"batch": "bn1", "layer": "norm1", "none": "-"}


def build(
    weights: Mapping[str, Tensor], positions: str = "relative", auxiliary_positions: str = "relative"
) -> LipReader:
    """The reader that a checkpoint's tensors describe.

    Args:
        weights: of the checkpoint.
        positions, auxiliary_positions: how attention encodes distances; in a model for both, of lips and of sound.

    Raises:
        VsrError: bad_model naming the first tensor that does not fit.
    """
    weights = auto_avsr.renamed(weights)
    if any(name.startswith(f"{AUXILIARY}encoder.") for name in weights):
        return _audio_visual_reader(weights, positions, auxiliary_positions)
    if has_wave_front(weights):
        return _sound(weights, positions)
    return auto_avsr.build(weights, positions)


def _sound(weights: Mapping[str, Tensor], positions: str) -> LipReader:
    front, rows = wave_front(weights, normalise=True)
    config = config_of(frontend="resnet1d", frontend_settings=without_kind(front), **_common(weights, positions))
    return _filled(config, weights, [*rows, *_rows("encoder.", "ctc.", "decoder.")])


def _audio_visual_reader(weights: Mapping[str, Tensor], positions: str, auxiliary_positions: str) -> LipReader:
    if not any(name.startswith("frontend.frontend3D.") for name in weights):
        raise VsrError("bad_model", "its encoder of lips has no 'frontend3D' tensors: only lips and sound can be read")
    lips = replace(auto_avsr.sizes(weights), positions=positions)
    auxiliary = {name.removeprefix(AUXILIARY): tensor for name, tensor in weights.items() if name.startswith(AUXILIARY)}
    front, rows = wave_front(weights, True, f"{SOUND}frontend.", f"{AUXILIARY}encoder.frontend.trunk.",
                             f"{AUXILIARY}encoder.embed.0.")  # fmt: skip
    norm = next((name for name, other in NORMS.items() if f"fusion.{other}.weight" in weights), "none")
    sound = _encoder(auxiliary, auxiliary_positions, lips.dim)
    parts: dict[str, Any] = {
        "video": _encoded({"kind": "resnet3d", **_settings(frontend_of(lips))}, _settings(encoder_of(lips))),
        "sound": _encoded(front, sound),
        "fusion": {"kind": "mlp", "hidden": dimension_of(weights, "fusion.fc1.weight", 0), "norm": norm},
    }
    config = config_of(
        frontend="audio_visual", frontend_settings={**parts, "whole": True}, encoder="identity",
        **_common(weights, positions),
    )  # fmt: skip
    missing = {f"missing.{name}": torch.zeros(config.dim) for name in ("video", "sound")}
    trunk = trunk_table(lips.resnet_blocks, f"{LIPS}frontend.trunk", "frontend.trunk")
    return _filled(config, {**weights, **missing}, [*rows, *trunk, *_joined_rows(norm)])


def _joined_rows(norm: str) -> list[tuple[str, str]]:
    """Our names and theirs for the tensors of both encoders, the fusion and the heads."""
    return [
        *((LIPS + ours, theirs) for ours, theirs in _rows("frontend.", "encoder.")),
        *((SOUND + ours, AUXILIARY + theirs) for ours, theirs in _rows("encoder.")),
        *((ours, theirs.format(norm=NORMS[norm])) for ours, theirs in FUSION), *_rows("ctc.", "decoder."),
    ]  # fmt: skip


def _encoded(front: dict[str, Any], encoder: dict[str, Any]) -> dict[str, Any]:
    """Settings of a stream with its own encoder."""
    return {"kind": "encoded", "frontend": front, "encoder": {"kind": "conformer", **encoder}}


def _settings(part: Any) -> dict[str, Any]:
    return dict(vars(part))


def _encoder(weights: Mapping[str, Tensor], positions: str, dim: int) -> dict[str, Any]:
    """The settings of the encoder at `encoder.encoders.`, which must have the model's width."""
    first = LAYER.format(0)
    if (width := dimension_of(weights, first + "feed_forward.w_1.weight", 1)) != dim:
        raise VsrError("bad_model", f"its encoders have widths {dim} and {width}: only those of one width can be read")
    return {
        "layers": count(weights, LAYER), "heads": dimension_of(weights, first + "self_attn.pos_bias_u", 0),
        "hidden": dimension_of(weights, first + "feed_forward.w_1.weight", 0),
        "kernel": dimension_of(weights, first + "conv_module.depthwise_conv.weight", -1), "activation": "relu",
        "norm_eps": 1e-12, "positions": positions,
    }  # fmt: skip


def _common(weights: Mapping[str, Tensor], positions: str) -> dict[str, Any]:
    """The flat settings of encoder and heads, as for a lip reader."""
    dim = dimension_of(weights, "proj_encoder.weight", 0)
    return _encoder(weights, positions, dim) | {
        "dim": dim,
        "vocab_size": dimension_of(weights, "ctc.ctc_lo.weight", 0),
        "decoder_layers": count(weights, STEP),
        "decoder_hidden": dimension_of(weights, STEP.format(0) + "feed_forward.w_1.weight", 0),
        "ctc_weight": 0.1,
        "alignment_weight": 0.0,
    }


def _rows(*parts: str) -> Table:
    """The rows of a lip reader's table whose names of ours begin with one of ``parts``."""
    return [row for row in TABLE if row[0].startswith(parts)]


def _filled(config: LipReaderConfig, weights: Mapping[str, Tensor], table: Table) -> LipReader:
    model = skeleton(config)
    model.load_state_dict(convert(weights, model.state_dict(), table, UNUSED + (r"aux_.*\.pe",)), assign=True)
    return model.eval()
