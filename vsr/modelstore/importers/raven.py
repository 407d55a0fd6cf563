"""RAVEn's and BRAVEn's models for lips and for sound (Haliassos et al. 2023, 2024; MIT): ResNet-18, transformer with
relative positions, CTC and attention over 1049 tokens. The pieces are a list in their repository.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from vsr.core.errors import VsrError
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore.importers import auto_avsr
from vsr.modelstore.importers.auto_avsr import ATTENTION, LAYER, STEP, UNUSED
from vsr.modelstore.importers.mapping import Table, config_of, convert, count, dimension_of, skeleton, trunk_table
from vsr.modelstore.importers.vsr4ml import listed_tokenizer
from vsr.modelstore.importers.wave_front import has_wave_front, wave_front, without_kind
from vsr.text.tokenizer import ListTokenizer, SentencePieceTokenizer

LICENCE = (
    "RAVEn's code is under the MIT licence. Its weights were trained on LRS3 and other corpora, whose terms allow\n"
    "research only: see https://github.com/ahaliassos/raven for what applies to you."
)
DECODE = {"beam": 40, "ctc_weight": 0.1}  # of its conf/decode/default.yaml
LM_WEIGHT = 0.2  # of its tests on lips with its language model
LANGUAGE = {"head": 8, "pos_enc": "none"}  # of that model, from conf/model/language_model; the tensors have the rest
EPS = 1e-12

TABLE: Table = [
    *(row for row in auto_avsr.TABLE if not row[0].startswith("encoder.layers.")),
    ("encoder.layers.{}.norm_attention.", LAYER + "norm_mha."),
    *((f"encoder.layers.{{}}.attention.{a}.", f"{LAYER}self_attn.{b}.") for a, b in ATTENTION),
    ("encoder.layers.{}.attention.position.", LAYER + "self_attn.linear_pos."),
    ("encoder.layers.{}.attention.content_bias", LAYER + "self_attn.pos_bias_u"),
    ("encoder.layers.{}.attention.position_bias", LAYER + "self_attn.pos_bias_v"),
    ("encoder.layers.{}.scale_attention", LAYER + "gamma_mha"),
    ("encoder.layers.{}.norm_feed_forward.", LAYER + "norm_ff."),
    ("encoder.layers.{}.feed_forward.0.", LAYER + "feed_forward.w_1."),
    ("encoder.layers.{}.feed_forward.3.", LAYER + "feed_forward.w_2."),
    ("encoder.layers.{}.scale_feed_forward", LAYER + "gamma_ff"),
]


def build(weights: Mapping[str, Tensor], unused: Sequence[str] = ()) -> LipReader:
    """The model for lips, or for sound, that a checkpoint's tensors describe; their shapes give its sizes.

    ``unused``: regular expressions for tensors that it does not need.

    Raises:
        VsrError: bad_model naming the first tensor that does not fit.
    """
    weights = auto_avsr.renamed(weights)
    front, rows = _front(weights)
    return filled(weights, sizes(weights, front), [*rows, *TABLE], unused)


def filled(weights: Mapping[str, Tensor], config: LipReaderConfig, table: Table, unused: Sequence[str]) -> LipReader:
    """The model with the checkpoint's tensors. Raises VsrError (bad_model)."""
    model = skeleton(config)
    model.load_state_dict(convert(weights, model.state_dict(), table, (*UNUSED, *unused)), assign=True)
    return model.eval()


def _front(weights: Mapping[str, Tensor]) -> tuple[dict[str, Any], Table]:
    """The settings of the front end with its kind, and its rows of the table."""
    if has_wave_front(weights):
        return wave_front(weights, normalise=False)
    if not any(name.startswith("frontend.frontend3D.") for name in weights):
        raise VsrError("bad_model", "not a model of RAVEn: it has no 'frontend3D' or 'trunk.conv1' tensors")
    return video_front(weights)


def video_front(weights: Mapping[str, Tensor], ours: str = "frontend.") -> tuple[dict[str, Any], Table]:
    """The front end of lips with its kind, and its rows; ``ours`` is its prefix in our model."""
    blocks = [count(weights, f"frontend.trunk.layer{stage}.{{}}.") for stage in (1, 2, 3, 4)]
    width = dimension_of(weights, "frontend.frontend3D.0.weight", 0)
    own_rows = [(ours + row[0].removeprefix("frontend."), row[1]) for row in TABLE if row[0].startswith("frontend.")]
    settings = {"kind": "resnet3d", "width": width, "blocks": blocks, "activation": "silu"}
    return settings, [*own_rows, *trunk_table(blocks, f"{ours}trunk", "frontend.trunk")]


def sizes(weights: Mapping[str, Tensor], front: Mapping[str, Any]) -> LipReaderConfig:
    """The config of a model with these tensors and this front end. Raises VsrError (bad_model)."""
    first, step = LAYER.format(0), STEP.format(0)
    heads = dimension_of(weights, first + "self_attn.pos_bias_u", 0)
    encoder: dict[str, Any] = {
        "layers": count(weights, LAYER), "heads": heads, "norm_eps": EPS,
        "norm": "batch" if first + "norm_ff.running_mean" in weights else "layer",
        "hidden": dimension_of(weights, first + "feed_forward.w_1.weight", 0),
    }  # fmt: skip
    return config_of(
        vocab_size=dimension_of(weights, "ctc.ctc_lo.weight", 0),
        frontend=front["kind"],
        frontend_settings=without_kind(front),
        dim=dimension_of(weights, "proj_encoder.weight", 0),
        encoder="relative_transformer",
        encoder_settings=encoder,
        heads=heads,
        norm_eps=EPS,
        decoder_heads=heads,
        decoder_layers=count(weights, STEP),
        decoder_hidden=dimension_of(weights, step + "feed_forward.w_1.weight", 0),
        ctc_weight=0.1,
        alignment_weight=0.0,
    )


def read_tokenizer(model: str | Path | None, units: str | Path | None) -> ListTokenizer | SentencePieceTokenizer:
    """The tokenizer of the list of units, with a SentencePiece file if one is given. Raises VsrError."""
    if model is not None:
        return auto_avsr.read_tokenizer(model, units)
    if units is None:
        raise VsrError("bad_options", "the checkpoint holds no tokenizer: give --units unigram1000_units.txt")
    return listed_tokenizer(Path(units))
