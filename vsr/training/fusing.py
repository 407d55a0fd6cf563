"""Fuse two trained readers into one model, without training, since they are combined in the search."""

from __future__ import annotations

from pathlib import Path

from vsr.core.errors import VsrError, one_line
from vsr.core.files import same_file
from vsr.decoding.assess import KNOWN
from vsr.models.fusion import FusedConfig, FusedReader
from vsr.models.lipreader import LipReader
from vsr.modelstore.checkpoint import CONFIG_FILE, read_config
from vsr.modelstore.folder import FUSED_READER, load_model, save_model
from vsr.text.tokenizer import CharTokenizer, WordTokenizer


def fuse_models(
    pixels: str | Path, tracks: str | Path, out: str | Path,
    weights: tuple[float, float] = (1.0, 1.0), entropies: tuple[float, float] = (0.0, 1.0), widest_turn: float = 0.0,
) -> Path:  # fmt: skip
    """Write the fused model of a reader of pixels and a reader of tracks; returns its folder.

    Its confidence must be fitted; clips read without weight of the tracks keep the calibration of the reader of pixels,
    whose window the model also has. ``weights``, ``entropies`` (of the pixels' CTC) and ``widest_turn`` are those of
    `vsr.models.fusion.FusedConfig`. Raises VsrError bad_model where the two do not fit together.
    """
    first, second = load_model(pixels), load_model(tracks)
    for loaded in (first, second):
        if not isinstance(loaded.model, LipReader):
            raise VsrError("bad_model", f"{loaded.folder} is joined already: give a reader of pixels and one of tracks")
    if not isinstance(second.tokenizer, WordTokenizer) or not isinstance(first.tokenizer, CharTokenizer):
        raise VsrError("bad_model", f"{first.folder} must write characters, and {second.folder} words")
    try:
        rule = weights, entropies, "ctc", widest_turn
        config = FusedConfig(first.model.config, second.model.config, tuple(second.tokenizer.words), *rule)
    except ValueError as error:
        raise VsrError("bad_model", f"{first.folder} and {second.folder}: {one_line(error)}") from error
    model = FusedReader(config)
    model.pixels.load_state_dict(first.model.state_dict())
    model.tracks.load_state_dict(second.model.state_dict())
    parts = {name: _origin_record(loaded.config) for name, loaded in (("pixels", first), ("tracks", second))}
    extra = {"kind": FUSED_READER, "name": Path(out).resolve().parent.name, "fused": parts}
    extra |= {"window": first.config["window"]} if "window" in first.config else {}
    pixel_fit = {key: first.config[key] for key in ("confidence", "domain") if key in first.config}
    extra |= {KNOWN: pixel_fit} if pixel_fit else {}
    return save_model(out, model, first.tokenizer, extra, half=True)


def check_place(out: str | Path, *sources: str | Path) -> None:
    """Refuse to overwrite a model that is read, or one that is not fused. Raises VsrError bad_config, exists."""
    out = Path(out)
    if any(same_file(out, model) for model in sources):
        raise VsrError("bad_config", f"{out} is what is read: choose another --out")
    if (out / CONFIG_FILE).exists() and read_config(out).get("kind") != FUSED_READER:
        raise VsrError("exists", f"{out} holds another model: choose another --out")


def _origin_record(config: dict) -> dict:
    """The record of a model: its name, its training, and what was averaged in it."""
    return {key: config[key] for key in ("name", "training", "averaged") if key in config}
