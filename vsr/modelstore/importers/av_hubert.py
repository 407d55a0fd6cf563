"""AV-HuBERT (Shi et al. 2022): pre-trained encoders, base and large, and models fine-tuned from them to write text.

The files are fairseq's: weights, settings and, when fine-tuned, the dictionary and often the SentencePiece model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vsr.core.errors import VsrError
from vsr.data.modalities import BOTH, SOUND, VIDEO
from vsr.models.lipreader import LipReader, LipReaderConfig, frontend_of
from vsr.modelstore.importers.av_hubert_text import SPECIAL
from vsr.modelstore.importers.mapping import Table, config_of, convert, count, dimension_of, skeleton, trunk_table
from vsr.modelstore.importers.reading import plain_settings

LICENCE = (
    "AV-HuBERT's code and weights are under Meta's own licence agreement, which allows non-commercial research only.\n"
    "By using this model you accept it: https://github.com/facebookresearch/av_hubert/blob/main/LICENSE"
)
DECODE = {"beam": 50, "method": "attention"}  # its conf/s2s_decode.yaml
INSIDE = "encoder.w2v_model."  # prefix of the encoder in a fine-tuned model
BOS, PAD, EOS, UNKNOWN = range(4)
UNUSED = (  # tensors for sound and pre-training, and a constant
    r"feature_extractor_audio\..*",  # if only lips are read
    r"mask_emb",
    r"final_proj\..*",
    r"label_embs_concat",
    r"decoder\.embed_positions\._float_tensor",
)
# Settings common to the published models, which the tensors do not show.
EXPECTED = {
    "layer_norm_first": True,
    "activation_fn": "gelu",
    "modality_fuse": "concat",
    "conv_pos": 128,
    "conv_pos_groups": 16,
    "no_scale_embedding": True,
    "no_token_positional_embeddings": False,
    "decoder_normalize_before": True,
}

LAYER, STEP, SEEN = "encoder.layers.{}.", "decoder.layers.{}.", "feature_extractor_video."
HEARD = "feature_extractor_audio."
LIPS = "frontend.streams.video."  # the front end of lips in a model of both
SOUND_ROWS: Table = [("frontend.streams.sound.project.", HEARD + "proj.")]
FUSION_ROWS: Table = [
    ("frontend.fusion.norm.", "layer_norm."),
    ("frontend.fusion.out.", "post_extract_proj."),
    ("frontend.missing.", "missing."),  # not in the checkpoint: zeros
]
ATTENTION = (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj"), ("out", "out_proj"))
TABLE: Table = [
    ("frontend.stem.", SEEN + "resnet.frontend3D.0."),
    ("frontend.stem_bn.", SEEN + "resnet.frontend3D.1."),
    ("frontend.stem_act.", SEEN + "resnet.frontend3D.2."),
    ("frontend.project.", SEEN + "proj."),
    ("encoder.norm_fused.", "layer_norm."),
    ("encoder.fuse.", "post_extract_proj."),
    ("encoder.position.", "encoder.pos_conv.0."),
    ("encoder.layers.{}.norm_attention.", LAYER + "self_attn_layer_norm."),
    *((f"encoder.layers.{{}}.attention.{a}.", f"{LAYER}self_attn.{b}.") for a, b in ATTENTION),
    ("encoder.layers.{}.feed_forward.0.", LAYER + "final_layer_norm."),
    ("encoder.layers.{}.feed_forward.1.", LAYER + "fc1."),
    ("encoder.layers.{}.feed_forward.4.", LAYER + "fc2."),
    ("encoder.norm.", "encoder.layer_norm."),
    ("decoder.embed.", "decoder.embed_tokens."),
    ("decoder.layers.{}.norm_self.", STEP + "self_attn_layer_norm."),
    *((f"decoder.layers.{{}}.self_attention.{a}.", f"{STEP}self_attn.{b}.") for a, b in ATTENTION),
    ("decoder.layers.{}.norm_cross.", STEP + "encoder_attn_layer_norm."),
    *((f"decoder.layers.{{}}.cross_attention.{a}.", f"{STEP}encoder_attn.{b}.") for a, b in ATTENTION),
    ("decoder.layers.{}.feed_forward.0.", STEP + "final_layer_norm."),
    ("decoder.layers.{}.feed_forward.1.", STEP + "fc1."),
    ("decoder.layers.{}.feed_forward.4.", STEP + "fc2."),
    ("decoder.norm.", "decoder.layer_norm."),
]


def build(weights: Mapping[str, Tensor], settings: Mapping[str, Any], modality: str = VIDEO) -> LipReader:
    """The reader, or the encoder alone, that a checkpoint's tensors and settings describe.

    Args:
        weights: the tensors by fairseq's names.
        settings: of `settings_of`.
        modality: "video": it reads lips; "both": lips, sound or both, as in pre-training.

    Raises:
        VsrError: bad_model naming the first tensor or setting that does not fit.
    """
    if modality == BOTH:
        projection = f"{HEARD}proj.weight"
        if not any(name.endswith(projection) for name in weights):
            raise VsrError("bad_model", f"it has no '{projection}': only its lips can be read")
        return hearing_model(weights, settings, "resnet3d", "filter_bank", SOUND_ROWS)
    weights = prepared(weights)
    config = sizes(weights, settings)
    return _filled(config, weights, _rows(config), UNUSED)


def hearing_model(
    weights: Mapping[str, Tensor], settings: Mapping[str, Any], lips: str, kind: str, sound: Table,
    unused: Sequence[str] = (),
) -> LipReader:  # fmt: skip
    """The model for lips, sound or both.

    Args:
        weights, settings: as in `build`.
        lips, kind: kinds of the front ends for lips and for sound.
        sound: rows of the table for the front end of sound.
        unused: regular expressions for further tensors that are not needed.

    Raises:
        VsrError: bad_model.
    """
    weights = heard(prepared(weights))
    config = sizes(weights, settings)
    rows = [(ours.replace("frontend.", LIPS, 1), theirs) for ours, theirs in _rows(config)]
    return _filled(hearing(config, lips, kind), weights, [*sound, *FUSION_ROWS, *rows], (*UNUSED, *unused))


def _rows(config: LipReaderConfig) -> Table:
    """All rows of the table for a lip reader."""
    trunk = trunk_table(config.resnet_blocks, "frontend.trunk", SEEN + "resnet.trunk")
    slopes = [(f"{ours}act{n}.", f"{other}relu{n}.") for ours, other in trunk for n in (1, 2)]
    return [*TABLE, *slopes, *trunk]


def _filled(config: LipReaderConfig, weights: Mapping[str, Tensor], rows: Table, unused: Sequence[str]) -> LipReader:
    model = skeleton(config)
    model.load_state_dict(convert(weights, model.state_dict(), rows, unused), assign=True)
    return model.eval()


def hearing(config: LipReaderConfig, lips: str, sound: str) -> LipReaderConfig:
    """The config of a model for lips, sound or both, from that of a lip reader; a missing stream is zeros."""
    video, fusion = {"kind": lips, **vars(frontend_of(config))}, {"kind": "concat", "norm": True}
    front = {"video": video, "sound": {"kind": sound}, "fusion": fusion}
    encoder = {**config.encoder_settings, "fused": True}
    return replace(config, frontend="audio_visual", frontend_settings=front, encoder_settings=encoder)


def heard(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a model for both, with lips first in the fusion, where the checkpoint has sound first. Raises
    VsrError (bad_model)."""
    dim, swapped = dimension_of(weights, f"{SEEN}proj.weight", 0), dict(weights)
    for name in ("layer_norm.weight", "layer_norm.bias", "post_extract_proj.weight"):
        if dimension_of(weights, name, -1) != 2 * dim:
            raise VsrError("bad_model", f"{name!r} has shape {tuple(weights[name].shape)}: not of lips and sound")
        swapped[name] = weights[name].roll(dim, -1)
    return swapped | {f"missing.{name}": torch.zeros(dim) for name in (VIDEO, SOUND)}


def modality_of(checkpoint: Mapping[str, Any]) -> str:
    """The modality that a fine-tuned model was tuned on, from its settings: "video", or "both" if sound is included."""
    task = (plain_settings(checkpoint.get("cfg") or checkpoint.get("args")) or {}).get("task")
    tuned_on = task.get("modalities") if isinstance(task, Mapping) else None
    return BOTH if isinstance(tuned_on, list) and "audio" in tuned_on else VIDEO


def prepared(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with the names of a pre-trained model, weight normalisation multiplied out, tokens in our order."""
    weights = {name.removeprefix(INSIDE): tensor for name, tensor in weights.items()}
    position = "encoder.pos_conv.0.weight"
    gain, direction = weights.get(position + "_g"), weights.get(position + "_v")
    if gain is not None and direction is not None and direction.dim() == 3 and gain.shape == (1, 1, direction.shape[2]):
        del weights[position + "_g"], weights[position + "_v"]
        gain, direction = gain.float(), direction.float()
        weights[position] = gain * direction / direction.norm(dim=(0, 1), keepdim=True)
    embedding = "decoder.embed_tokens.weight"
    if embedding in weights and weights[embedding].dim() == 2 and len(weights[embedding]) > len(SPECIAL):
        weights[embedding] = weights[embedding][our_order(len(weights[embedding]))]
    return weights


def our_order(size: int) -> Tensor:
    """The index of fairseq's token for each of our ids: blank is its padding, its unused start comes before the end.

    No row is dropped, because the softmax is over all of them.
    """
    return torch.tensor([PAD, UNKNOWN, *range(len(SPECIAL), size), BOS, EOS])


def sizes(weights: Mapping[str, Tensor], settings: Mapping[str, Any]) -> LipReaderConfig:
    """The config of a model with these tensors and settings. Raises VsrError bad_model."""
    _check(weights, settings)
    return config_of(
        frontend="resnet3d",
        resnet_width=dimension_of(weights, SEEN + "resnet.frontend3D.0.weight", 0),
        resnet_blocks=[count(weights, f"{SEEN}resnet.trunk.layer{stage}.{{}}.") for stage in (1, 2, 3, 4)],
        resnet_activation="prelu",
        encoder="av_hubert",
        dim=dimension_of(weights, SEEN + "proj.weight", 0),
        heads=_heads(settings, "encoder_attention_heads"),
        hidden=dimension_of(weights, LAYER.format(0) + "fc1.weight", 0),
        layers=count(weights, LAYER),
        ctc_weight=0.0,
        alignment_weight=0.0,
        **_decoder(weights, settings),
    )


def _check(weights: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
    """Raise VsrError bad_model for a checkpoint that is not AV-HuBERT, or has another architecture."""
    if not any(name.startswith(SEEN) for name in weights):
        raise VsrError("bad_model", f"not an AV-HuBERT model: it has no '{SEEN}*' tensors")
    for name, value in EXPECTED.items():
        if settings.get(name) not in (None, value):
            raise VsrError("bad_model", f"its setting {name} is {settings[name]!r}; only {value!r} can be imported")


def _decoder(weights: Mapping[str, Tensor], settings: Mapping[str, Any]) -> dict[str, int]:
    """The settings of the decoder, which a fine-tuned model has."""
    if "decoder.embed_tokens.weight" not in weights:
        return {"vocab_size": 0, "decoder_layers": 0}
    return {
        "vocab_size": dimension_of(weights, "decoder.embed_tokens.weight", 0),
        "decoder_layers": count(weights, STEP),
        "decoder_hidden": dimension_of(weights, STEP.format(0) + "fc1.weight", 0),
        "decoder_heads": _heads(settings, "decoder_attention_heads"),
    }


def _heads(settings: Mapping[str, Any], name: str) -> int:
    heads = settings.get(name)
    if not isinstance(heads, int) or heads < 1:
        raise VsrError("bad_model", f"its settings do not give {name}, and the tensors cannot")
    return heads


def settings_of(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of encoder and decoder in one dictionary; in a fine-tuned model, the encoder's are nested."""
    outer = _model_settings(plain_settings(checkpoint.get("cfg") or checkpoint.get("args")))
    inner = _model_settings(outer.get("w2v_args"))
    decoder = {name: value for name, value in outer.items() if name.startswith(("decoder_", "no_"))}
    return inner | decoder if inner else outer


def _model_settings(settings: Any) -> dict[str, Any]:
    if not isinstance(settings, Mapping):
        return {}
    nested = settings.get("model")
    return dict(nested) if isinstance(nested, Mapping) else dict(settings)
