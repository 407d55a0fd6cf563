"""Auto-AVSR's visual models (Ma et al. 2023, Apache-2.0): ResNet-18, Conformer, CTC and attention over 5049 tokens.

Tensor names have two generations: since 2024 the front end is beside the encoder, before that inside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from vsr.core.errors import VsrError, cause_of
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore.importers.mapping import Table, config_of, convert, count, dimension_of, skeleton, trunk_table
from vsr.text.tokenizer import SentencePieceTokenizer

LICENCE = (
    "Auto-AVSR's code is under Apache-2.0. Its weights were trained on LRS3 and other corpora, whose terms allow\n"
    "research only: see https://github.com/mpc001/auto_avsr for what applies to you."
)
OLDER = (("encoder.frontend.", "frontend."), ("encoder.embed.0.", "proj_encoder."))
UNUSED = (r".*\.pe",)  # positional encodings, which older versions stored

LAYER = "encoder.encoders.{}."
STEP = "decoder.decoders.{}."
ATTENTION = (("query", "linear_q"), ("key", "linear_k"), ("value", "linear_v"), ("out", "linear_out"))
TABLE: Table = [
    ("frontend.stem.", "frontend.frontend3D.0."),
    ("frontend.stem_bn.", "frontend.frontend3D.1."),
    ("frontend.project.", "proj_encoder."),
    ("encoder.layers.{}.feed_forward_in.0.", LAYER + "norm_ff_macaron."),
    ("encoder.layers.{}.feed_forward_in.1.", LAYER + "feed_forward_macaron.w_1."),
    ("encoder.layers.{}.feed_forward_in.4.", LAYER + "feed_forward_macaron.w_2."),
    ("encoder.layers.{}.norm_attention.", LAYER + "norm_mha."),
    *((f"encoder.layers.{{}}.attention.{a}.", f"{LAYER}self_attn.{b}.") for a, b in ATTENTION),
    ("encoder.layers.{}.attention.position.", LAYER + "self_attn.linear_pos."),
    ("encoder.layers.{}.attention.content_bias", LAYER + "self_attn.pos_bias_u"),
    ("encoder.layers.{}.attention.position_bias", LAYER + "self_attn.pos_bias_v"),
    ("encoder.layers.{}.convolution.norm.", LAYER + "norm_conv."),
    ("encoder.layers.{}.convolution.gate.0.", LAYER + "conv_module.pointwise_cov1."),
    ("encoder.layers.{}.convolution.depthwise.", LAYER + "conv_module.depthwise_conv."),
    ("encoder.layers.{}.convolution.batch_norm.", LAYER + "conv_module.norm."),
    ("encoder.layers.{}.convolution.out.1.", LAYER + "conv_module.pointwise_cov2."),
    ("encoder.layers.{}.feed_forward_out.0.", LAYER + "norm_ff."),
    ("encoder.layers.{}.feed_forward_out.1.", LAYER + "feed_forward.w_1."),
    ("encoder.layers.{}.feed_forward_out.4.", LAYER + "feed_forward.w_2."),
    ("encoder.layers.{}.norm_out.", LAYER + "norm_final."),
    ("encoder.norm.", "encoder.after_norm."),
    ("ctc.", "ctc.ctc_lo."),
    ("decoder.embed.", "decoder.embed.0."),
    ("decoder.layers.{}.norm_self.", STEP + "norm1."),
    *((f"decoder.layers.{{}}.self_attention.{a}.", f"{STEP}self_attn.{b}.") for a, b in ATTENTION),
    ("decoder.layers.{}.norm_cross.", STEP + "norm2."),
    *((f"decoder.layers.{{}}.cross_attention.{a}.", f"{STEP}src_attn.{b}.") for a, b in ATTENTION),
    ("decoder.layers.{}.feed_forward.0.", STEP + "norm3."),
    ("decoder.layers.{}.feed_forward.1.", STEP + "feed_forward.w_1."),
    ("decoder.layers.{}.feed_forward.4.", STEP + "feed_forward.w_2."),
    ("decoder.norm.", "decoder.after_norm."),
    ("decoder.out.", "decoder.output_layer."),
]


def build(weights: Mapping[str, Tensor], positions: str = "relative") -> LipReader:
    """The lip reader that a checkpoint's tensors describe; their shapes give its sizes.

    ``positions``: how attention encodes distances, which the tensors do not say.

    Raises:
        VsrError: bad_model naming the first tensor that does not fit.
    """
    weights = renamed(weights)
    config = replace(sizes(weights), positions=positions)
    model = skeleton(config)
    table = [*TABLE, *trunk_table(config.resnet_blocks, "frontend.trunk", "frontend.trunk")]
    model.load_state_dict(convert(weights, model.state_dict(), table, UNUSED), assign=True)
    return model.eval()


def renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the newer generation's names."""
    names = {}
    for name, tensor in weights.items():
        for old, new in OLDER:
            if name.startswith(old):
                name = new + name.removeprefix(old)
        names[name] = tensor
    return names


def sizes(weights: Mapping[str, Tensor]) -> LipReaderConfig:
    """The config of a model with these tensors. Raises VsrError bad_model."""
    if not any(name.startswith("frontend.frontend3D.") for name in weights):
        raise VsrError("bad_model", "not a visual model of auto_avsr: it has no 'frontend.frontend3D' tensors")
    first, step = LAYER.format(0), STEP.format(0)
    blocks = [count(weights, f"frontend.trunk.layer{stage}.{{}}.") for stage in (1, 2, 3, 4)]
    return config_of(
        vocab_size=dimension_of(weights, "ctc.ctc_lo.weight", 0),
        frontend="resnet3d",
        resnet_width=dimension_of(weights, "frontend.frontend3D.0.weight", 0),
        resnet_blocks=blocks,
        dim=dimension_of(weights, "proj_encoder.weight", 0),
        heads=dimension_of(weights, first + "self_attn.pos_bias_u", 0),
        hidden=dimension_of(weights, first + "feed_forward.w_1.weight", 0),
        layers=count(weights, LAYER),
        kernel=dimension_of(weights, first + "conv_module.depthwise_conv.weight", -1),
        activation="relu",
        norm_eps=1e-12,
        decoder_layers=count(weights, STEP),
        decoder_hidden=dimension_of(weights, step + "feed_forward.w_1.weight", 0),
        ctc_weight=0.1,
        alignment_weight=0.0,
    )


def read_tokenizer(model: str | Path | None, units: str | Path | None) -> SentencePieceTokenizer:
    """The tokenizer from a SentencePiece file and the list of units in the order of the head.

    Args:
        model: `unigram5000.model` of the auto_avsr repository.
        units: `unigram5000_units.txt`; without it the file of that name beside ``model``.

    Raises VsrError bad_options without a file, bad_model for a wrong one.
    """
    if model is None:
        raise VsrError("bad_options", "auto_avsr checkpoints hold no tokenizer: give --tokenizer unigram5000.model")
    units = Path(units) if units is not None else Path(model).with_name(Path(model).stem + "_units.txt")
    try:
        lines = units.read_text(encoding="utf-8").splitlines()
        return SentencePieceTokenizer(Path(model).read_bytes(), "upper", listed_units(lines, units))
    except (OSError, UnicodeDecodeError) as error:
        file = error.filename if isinstance(error, OSError) else units
        raise VsrError("bad_model", f"{file}: {cause_of(error, 'not UTF-8 text')}") from error


def listed_units(lines: list[str], path: Path) -> list[str]:
    """Lines `piece id`, numbered from `<unk> 1`, -> the pieces with the ids 2, 3, ... Raises VsrError bad_model."""
    pieces = []
    for number, line in enumerate(lines, start=1):
        piece, _, index = line.rpartition(" ")
        if not piece or index != str(number):
            raise VsrError("bad_model", f"{path}: line {number} is {line[:40]!r}, expected 'PIECE {number}'")
        pieces.append(piece)
    if pieces[:1] != ["<unk>"]:
        raise VsrError("bad_model", f"{path}: the first unit is not '<unk>'")
    return pieces[1:]
