"""The settings of a lip reader as model folders of format 2 hold them: front end, encoder and each head with its kind.

    {"vocab_size": 41, "dim": 192, "frontend": {"kind": ..., its settings}, "encoder": {...},
     "heads": {"ctc": {"kind": "ctc", "weight": 0.3}, "attention": {...}, "alignment": {...}, further ones by name}}

The weight of "attention" is what CTC leaves of 1. A fused reader has "fusion", "pixels" and "tracks", the last two each
such a mapping. Format 1 had every number flat, those of parts that a model has not, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from vsr.models.fusion import FusedConfig
from vsr.models.lipreader import LipReaderConfig, attention_of, encoder_of, frontend_of
from vsr.models.registry import FUSIONS, split_kind

FUSION = "word_evidence"
KINDS = (LipReaderConfig, FusedConfig)
PARTS = ("vocab_size", "dim", "frontend", "encoder", "heads")
FRONTENDS = {  # kind -> its setting -> the name that it has flat
    "video_transformer": {
        "width": "frontend_width", "layers": "frontend_layers", "heads": "frontend_heads", "frames": "tubelet_frames",
        "patch": "tubelet_patch", "downscale": "tubelet_downscale",
    },
    "resnet3d": {"width": "resnet_width", "blocks": "resnet_blocks", "activation": "resnet_activation"},
    "landmarks": {"dropout": "dropout"},
}  # fmt: skip
SAME = ("layers", "heads", "hidden", "kernel", "dropout", "activation", "norm_eps", "positions")
ENCODERS = dict.fromkeys(("conformer", "av_hubert", "recurrent"), {name: name for name in SAME})
ATTENTION = {
    "layers": "decoder_layers", "heads": "decoder_heads", "hidden": "decoder_hidden", "dropout": "dropout",
    "norm_eps": "norm_eps", "label_smoothing": "label_smoothing", "tied": "",
}  # fmt: skip
WORDS = ("classes", "boundary", "mixup", "label_smoothing")


def nested(config: Any) -> dict[str, Any]:
    """The settings of a lip reader or a fused one, nested; those of another model as they are."""
    if isinstance(config, LipReaderConfig):
        frontend = {"kind": config.frontend, **asdict(frontend_of(config))}
        encoder = {"kind": config.encoder, **asdict(encoder_of(config))}
        sizes = {"vocab_size": config.vocab_size, "dim": config.dim}
        return sizes | {"frontend": frontend, "encoder": encoder, "heads": _heads(config)}
    if isinstance(config, FusedConfig):
        own = {f.name: getattr(config, f.name) for f in fields(config) if f.name not in ("pixels", "tracks")}
        readers = {"pixels": nested(config.pixels), "tracks": nested(config.tracks)}
        return {"fusion": {"kind": FUSION, **own}} | readers
    return asdict(config)


def _heads(c: LipReaderConfig) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    if c.ctc_weight:
        found["ctc"] = {"kind": "ctc", "weight": c.ctc_weight}
    if c.decoder_layers:
        found["attention"] = {"kind": "attention", **asdict(attention_of(c))}
    if c.alignment_weight:
        found["alignment"] = {"kind": "frame_alignment", "weight": c.alignment_weight}
    if c.classes:
        found["words"] = {"kind": "word_classes", **{name: getattr(c, name) for name in WORDS}}
    return found | c.further_heads


def unnested(stored: Mapping[str, Any]) -> LipReaderConfig | FusedConfig:
    """The settings that `nested` gave. Raises ValueError, naming what is not known or lacking; TypeError."""
    if "fusion" in stored:
        kind, own = split_kind(stored["fusion"], "fusion")
        if FUSIONS[kind].joins != "readers" or stored.keys() != {"fusion", "pixels", "tracks"}:
            raise ValueError(f"fusion is '{kind}' of {', '.join(stored)}; it can be {FUSION} of pixels and tracks")
        return FUSIONS[kind](unnested(stored["pixels"]), unnested(stored["tracks"]), **own)
    if odd := sorted(stored.keys() - set(PARTS)):
        raise ValueError(f"a model setting {odd[0]!r} unknown to this version")
    if lacking := [name for name in PARTS if name not in stored]:
        raise ValueError(f"the model settings lack {lacking[0]!r}")
    flat: dict[str, Any] = {"vocab_size": stored["vocab_size"], "dim": stored["dim"]}
    _take_heads(flat, stored["heads"])
    for part, tables in (("encoder", ENCODERS), ("frontend", FRONTENDS)):
        flat[part], own = split_kind(stored[part], part)
        flat[f"{part}_settings"] = _taken(flat, own, tables.get(flat[part], {}))
    flat.setdefault("heads", 1)  # an encoder without attention divides its width into nothing
    return LipReaderConfig(**flat)


def _take_heads(flat: dict[str, Any], stored: Mapping[str, Any]) -> None:
    """The settings of the heads, flat; one that is not there has the weight 0."""
    heads = {name: dict(own) for name, own in stored.items()}
    own = {name: heads.pop(name, None) for name in ("ctc", "attention", "alignment", "words")}
    for name, weight in (("ctc", "ctc_weight"), ("alignment", "alignment_weight")):
        flat[weight] = (own[name] or {}).get("weight", 0)
    if own["attention"]:
        odd = _taken(flat, split_kind(own["attention"], "heads.attention")[1], ATTENTION)
        if odd:
            raise ValueError(f"heads.attention has a setting {next(iter(odd))!r} unknown to this version")
    else:
        flat["decoder_layers"] = 0
    flat |= split_kind(own["words"], "heads.words")[1] if own["words"] else {}
    flat["further_heads"] = heads


def _taken(flat: dict[str, Any], own: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Put settings into the flat ones by their names there; what has none, or another value there, is left."""
    left = {}
    for name, value in own.items():
        known = names.get(name)
        if known is None or known and flat.setdefault(known, value) != value:
            left[name] = value
    return left
