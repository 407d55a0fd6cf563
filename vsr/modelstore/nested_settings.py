"""The nested settings of a lip reader in model folders of format 2: front end, encoder and heads, each with its kind.

    {"vocab_size": 41, "dim": 192, "frontend": {"kind": ..., its settings}, "encoder": {...},
     "heads": {"ctc": {"kind": "ctc", "weight": 0.3}, "attention": {...}, "alignment": {...}, others by name}}

The weight of "attention" is 1 minus CTC's. A fused reader has "fusion", "pixels" and "tracks", the last two each such a
mapping. Format 1 had all settings flat, including those of parts that a model does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from vsr.models.fusion import FusedConfig
from vsr.models.lipreader import LipReaderConfig, attention_of, encoder_of, frontend_of
from vsr.models.lipreader_config import ENCODER_SETTINGS, FRONTEND_SETTINGS
from vsr.models.registry import FUSIONS, split_kind

FUSION = "word_evidence"
KINDS = (LipReaderConfig, FusedConfig)
PARTS = ("vocab_size", "dim", "frontend", "encoder", "heads")
ENCODERS = {kind: {name: name for name in names} for kind, names in ENCODER_SETTINGS.items()}
ATTENTION = {
    "layers": "decoder_layers", "heads": "decoder_heads", "hidden": "decoder_hidden", "dropout": "dropout",
    "norm_eps": "norm_eps", "label_smoothing": "label_smoothing", "tied": "", "attention_dropout": "attention_dropout",
}  # fmt: skip
WORDS = ("classes", "boundary", "mixup", "label_smoothing")


def to_nested(config: Any) -> dict[str, Any]:
    """The settings of a lip reader or a fused one, nested; those of any other model unchanged."""
    if isinstance(config, LipReaderConfig):
        frontend = {"kind": config.frontend, **asdict(frontend_of(config))}
        encoder = {"kind": config.encoder, **asdict(encoder_of(config))}
        sizes = {"vocab_size": config.vocab_size, "dim": config.dim}
        return sizes | {"frontend": frontend, "encoder": encoder, "heads": _heads(config)}
    if isinstance(config, FusedConfig):
        settings = {f.name: getattr(config, f.name) for f in fields(config) if f.name not in ("pixels", "tracks")}
        readers = {"pixels": to_nested(config.pixels), "tracks": to_nested(config.tracks)}
        return {"fusion": {"kind": FUSION, **settings}} | readers
    return asdict(config)


def _heads(config: LipReaderConfig) -> dict[str, dict[str, Any]]:
    heads: dict[str, dict[str, Any]] = {}
    if config.ctc_weight:
        heads["ctc"] = {"kind": "ctc", "weight": config.ctc_weight}
    if config.decoder_layers:
        heads["attention"] = {"kind": "attention", **asdict(attention_of(config))}
    if config.alignment_weight:
        heads["alignment"] = {"kind": "frame_alignment", "weight": config.alignment_weight}
    if config.classes:
        heads["words"] = {"kind": "word_classes", **{name: getattr(config, name) for name in WORDS}}
    return heads | config.further_heads


def from_nested(stored: Mapping[str, Any]) -> LipReaderConfig | FusedConfig:
    """The settings that `to_nested` stored. Raises ValueError that names the unknown or missing one; TypeError."""
    if "fusion" in stored:
        kind, settings = split_kind(stored["fusion"], "fusion")
        if FUSIONS[kind].joins != "readers" or stored.keys() != {"fusion", "pixels", "tracks"}:
            raise ValueError(f"fusion is '{kind}' of {', '.join(stored)}; it can be {FUSION} of pixels and tracks")
        return FUSIONS[kind](from_nested(stored["pixels"]), from_nested(stored["tracks"]), **settings)
    if unknown := sorted(stored.keys() - set(PARTS)):
        raise ValueError(f"a model setting {unknown[0]!r} unknown to this version")
    if missing := [name for name in PARTS if name not in stored]:
        raise ValueError(f"the model settings lack {missing[0]!r}")
    flat: dict[str, Any] = {"vocab_size": stored["vocab_size"], "dim": stored["dim"]}
    _take_heads(flat, stored["heads"])
    for part, tables in (("encoder", ENCODERS), ("frontend", FRONTEND_SETTINGS)):
        flat[part], settings = split_kind(stored[part], part)
        flat[f"{part}_settings"] = _flatten(flat, settings, tables.get(flat[part], {}))
    flat.setdefault("heads", 1)  # an encoder without attention needs no heads, but the width is divided by them
    return LipReaderConfig(**flat)


def _take_heads(flat: dict[str, Any], stored: Mapping[str, Any]) -> None:
    """Add the settings of the heads to the flat ones; a missing head gets the weight 0."""
    heads = {name: dict(settings) for name, settings in stored.items()}
    standard = {name: heads.pop(name, None) for name in ("ctc", "attention", "alignment", "words")}
    for name, weight in (("ctc", "ctc_weight"), ("alignment", "alignment_weight")):
        flat[weight] = (standard[name] or {}).get("weight", 0)
    if standard["attention"]:
        unknown = _flatten(flat, split_kind(standard["attention"], "heads.attention")[1], ATTENTION)
        if unknown:
            raise ValueError(f"heads.attention has a setting {next(iter(unknown))!r} unknown to this version")
    else:
        flat["decoder_layers"] = 0
    flat |= split_kind(standard["words"], "heads.words")[1] if standard["words"] else {}
    flat["further_heads"] = heads


def _flatten(flat: dict[str, Any], settings: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Add settings to the flat ones under their flat names; returns those without a flat name, or with another value
    there."""
    rest = {}
    for name, value in settings.items():
        flat_name = names.get(name)
        if flat_name is None or flat_name and flat.setdefault(flat_name, value) != value:
            rest[name] = value
    return rest
