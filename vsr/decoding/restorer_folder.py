"""Save and load a restorer: its settings, its adapters or full weights, and path and hashes of their backbone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from vsr.core.artifacts import sha256_of
from vsr.core.errors import VsrError, one_line
from vsr.core.files import read_json, usual_mode, write_json
from vsr.core.packages import required_package
from vsr.core.typed_json import from_plain, to_plain
from vsr.decoding.restorer import CLASSES, Codec, HubCodec, OwnCodec, Restorer, RestorerSettings
from vsr.models import text_backbone
from vsr.models.text_backbone import INSTALL, load_backbone, precision, weight_files, with_lora
from vsr.modelstore.checkpoint import CONFIG_FILE
from vsr.modelstore.saving import staged

CONFIG, ADAPTER, WHOLE = "restorer.json", "adapter", "weights"


def build(settings: RestorerSettings) -> tuple[Any, Codec, str]:
    """A new model (float32, with adapters that start without effect), its codec and licence. Raises VsrError."""
    if not settings.backbone:
        return of_sizes(settings), OwnCodec(settings.input), "our own"
    tokenizer, model, licence = load_backbone(settings.backbone, CLASSES[settings.architecture])
    model = model.to(precision()) if settings.lora.rank else model  # adapters stay float32
    return with_adapters(model, settings), HubCodec(tokenizer), licence


def of_sizes(settings: RestorerSettings) -> Any:
    """A model of transformers with random weights. Raises VsrError bad_config for invalid sizes."""
    codec, sizes = OwnCodec(settings.input), dict(settings.sizes)
    if not settings.backbone:
        sizes |= {"vocab_size": len(codec.entries), "pad_token_id": codec.pad, "bos_token_id": codec.begin}
        sizes |= {"eos_token_id": codec.eos, "decoder_start_token_id": codec.begin, "forced_eos_token_id": None}
    return text_backbone.of_sizes(sizes, CLASSES[settings.architecture])


def with_adapters(model: Any, settings: RestorerSettings) -> Any:
    """The model with LoRA on the layers that the settings name; unchanged where the rank is 0. Raises VsrError."""
    return with_lora(model, settings.lora, "CAUSAL_LM" if settings.architecture == "causal" else "SEQ_2_SEQ_LM")


def save_restorer(folder: str | Path, model: Any, settings: RestorerSettings, metadata: dict[str, Any]) -> Path:
    """Write adapters or weights as safetensors, and restorer.json with ``metadata``, on the training. Raises
    VsrError."""
    folder = Path(folder)
    adapted = bool(settings.backbone and settings.lora.rank)
    weights = folder / (ADAPTER if adapted else WHOLE)
    with staged(weights, CONFIG_FILE) as staging:
        model.save_pretrained(staging, safe_serialization=True)
        for file in sorted(staging.iterdir()):
            usual_mode(file)
    backbone = {file.name: sha256_of(file) for file in weight_files(settings.backbone)} if settings.backbone else {}
    write_json(folder / CONFIG, {"settings": to_plain(settings), "backbone": backbone, **metadata})
    return folder


def is_restorer(folder: str | Path) -> bool:
    """Whether `vsr train` wrote the folder from a configuration with ``llm``."""
    return (Path(folder) / CONFIG).is_file()


def load_restorer(folder: str | Path, backbone: str = "") -> Restorer:
    """Load a trained restorer, its adapters merged into the backbone; ``backbone``: a new path of it, if it was moved.

    Raises VsrError bad_model: no restorer, another backbone than in training, pickled or missing weights.
    """
    folder = Path(folder)
    if not is_restorer(folder):
        raise VsrError("bad_model", f"{folder} is no model of vsr train with an llm: it has no {CONFIG}")
    record = read_json(folder / CONFIG)
    try:
        settings = from_plain(RestorerSettings, record["settings"])
        hashes = dict(record["backbone"])
    except (KeyError, TypeError, ValueError) as error:
        raise VsrError("bad_model", f"{folder / CONFIG}: {one_line(error)}") from error
    if backbone and settings.backbone:
        settings = replace(settings, backbone=backbone)
    if not settings.backbone:
        model, codec, licence = _with_full_weights(folder, settings), OwnCodec(settings.input), "our own"
        return Restorer(model.eval(), codec, settings, licence)
    _check_backbone(folder, settings.backbone, hashes)
    tokenizer, model, licence = load_backbone(settings.backbone, CLASSES[settings.architecture])
    model = _adapted(folder, model) if settings.lora.rank else _with_full_weights(folder, settings)
    return Restorer(model.to(precision()).eval(), HubCodec(tokenizer), settings, licence)


def _with_full_weights(folder: Path, settings: RestorerSettings) -> Any:
    """The model with the full weights of a folder. Raises VsrError."""
    transformers = required_package("transformers", "a language model", INSTALL)
    _check_safe(folder / WHOLE, "model")
    transformers.utils.logging.disable_progress_bar()
    try:
        kind = getattr(transformers, CLASSES[settings.architecture])
        return kind.from_pretrained(
            folder / WHOLE, dtype=torch.float32, use_safetensors=True, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise VsrError("bad_model", f"{folder / WHOLE} cannot be read: {one_line(error)[:200]}") from error


def _adapted(folder: Path, model: Any) -> Any:
    """The backbone with the folder's adapters merged into its weights. Raises VsrError."""
    peft = required_package("peft", "adapters of a language model", INSTALL)
    _check_safe(folder / ADAPTER, "adapter_model")
    try:
        return peft.PeftModel.from_pretrained(model, str(folder / ADAPTER)).merge_and_unload()
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise VsrError("bad_model", f"{folder / ADAPTER} cannot be read: {one_line(error)[:200]}") from error


def _check_safe(folder: Path, name: str) -> None:
    """Raises VsrError bad_model where safetensors are missing: peft would load a pickle instead."""
    if not (folder / f"{name}.safetensors").is_file():
        raise VsrError("bad_model", f"{folder} has no {name}.safetensors; pickled weights are never read")


def _check_backbone(folder: Path, backbone: str, hashes: dict[str, str]) -> None:
    actual = {file.name: sha256_of(file) for file in weight_files(backbone)}
    if actual != hashes:
        raise VsrError("bad_model", f"{folder} was trained on another model than {backbone} holds now")
