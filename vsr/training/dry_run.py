"""Dry run of a training configuration without data: the model on the meta device, its parameters, its objective.

Settings that contradict each other are refused as in training, in one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vsr.core.errors import VsrError
from vsr.models.borrowed import backbones_of
from vsr.models.language import LanguageModel
from vsr.models.lipreader import LipReader, LipReaderConfig, layers_of, tokenizer_of_head
from vsr.models.text_backbone import on_hub, weight_files
from vsr.objectives.ctc_attention import weights_of
from vsr.objectives.registry import objective_of
from vsr.text.tokenizer import TEXT, CharTokenizer, Tokenizer, WordTokenizer, load_tokenizer, unit_of
from vsr.text.unit_list import CONFIG
from vsr.text.unit_tokenizers import UnitSettings, UnitTokenizer
from vsr.training.config import OptimConfig, TrainConfig, TrainerConfig
from vsr.training.language import LanguageTrainConfig, check_start
from vsr.training.model_settings import built
from vsr.training.unlabelled import check_unlabelled


def on_meta(kind: Callable[[Any], nn.Module], config: Any) -> nn.Module:
    """A model on the meta device, without memory for its weights. Raises VsrError bad_config."""
    with torch.device("meta"):
        return built(kind, config)


def language_lines(config: LanguageTrainConfig) -> Iterator[str]:
    """Lines on what `vsr lm train` would train. Raises VsrError."""
    folder = Path(config.data.tokenizer)
    is_made = (folder / CONFIG).exists()
    tokenizer = load_tokenizer(folder) if is_made else CharTokenizer()
    sizes = config.model_config(tokenizer.vocab_size)
    check_start(config.trainer)
    model = on_meta(LanguageModel, sizes)
    note = f"of {folder}" if is_made else f"{folder} is not made yet: characters are assumed"
    yield f"model: {parameters(model):,} parameters, all of which are trained"
    yield from part_lines(model)
    yield f"learns the next of {sizes.vocab_size} tokens ({note}), mean over tokens"
    yield from run_lines(config.data, config.optim, config.trainer)


def lip_reader_lines(config: TrainConfig) -> Iterator[str]:
    """Lines on what `vsr train` would train. Raises VsrError."""
    tokenizer, assumed = tokenizer_for(config)
    sizes = config.model_config(tokenizer.vocab_size)
    try:
        objective = objective_of(sizes, config.objective, config.objective_settings, tokenizer)
    except ValueError as error:
        raise VsrError("bad_config", str(error)) from error
    check_unlabelled(config, sizes)
    config.trainer.check_objective(objective)
    model = on_meta(LipReader, sizes)
    read = (model.modality,) if isinstance(model.modality, str) else model.modality
    yield f"model: {parameters(model):,} parameters; reads {' and '.join(read)}"
    yield from part_lines(model)
    yield from filter(None, [config.unused(sizes)])
    yield f"learns by {objective_line(config.objective, objective)}:"
    yield from head_lines(sizes, model, tokenizer, assumed)
    yield from run_lines(config.data, config.optim, config.trainer)
    yield from missing_lines(backbones_of(sizes))


def objective_line(name: str, objective: Any) -> str:
    """An objective by its name in the configuration, with its settings where it has any."""
    members = fields(objective) if is_dataclass(objective) else ()
    settings = ", ".join(f"{field.name} {getattr(objective, field.name)}" for field in members)
    name = name or getattr(objective, "__name__", type(objective).__name__)
    return f"{name} ({settings})" if settings else name


def missing_lines(backbones: Sequence[str]) -> Iterator[str]:
    """Yield a line for each source of pretrained weights that training would have to fetch, or would not find."""
    for backbone in dict.fromkeys(backbones):
        if on_hub(backbone):
            yield f"not found here: backbone {backbone}; training looks for it on the hub"
            continue
        try:
            weight_files(backbone)
        except VsrError as error:
            yield f"not found: backbone {error}; training needs it"


def is_future_path(model: str) -> bool:
    """Whether a model's name is a path, as in recipes, where nothing exists yet."""
    return model.startswith(("exp/", "./", "../")) and not Path(model).exists()


def tokenizer_for(config: TrainConfig) -> tuple[Tokenizer, str]:
    """The tokenizer named in ``data``, or an assumed one where it is not made yet, and a note on which it is."""
    folder = Path(config.data.tokenizer)
    if (folder / CONFIG).exists():
        return config.data.checked(load_tokenizer(folder)), f"of {folder}"
    if config.data.unit in ("phoneme", "viseme"):
        return UnitTokenizer(UnitSettings(config.data.unit)), f"{folder} is not made yet"
    if classes := config.model.get("classes"):
        return WordTokenizer([f"word{number}" for number in range(int(classes))]), f"{folder} is not made yet"
    return CharTokenizer(), f"{folder} is not made yet: characters are assumed"


def part_lines(model: nn.Module) -> Iterator[str]:
    """Name, kind and parameters of each part."""
    for name, part in model.named_children():
        if count := parameters(part):
            yield f"  {name:<16} {type(part).__name__:<24} {count:>13,}"


def head_lines(c: LipReaderConfig, model: LipReader, tokenizer: Tokenizer, assumed: str) -> Iterator[str]:
    """Yield a line for each head: its targets and the weight of its loss."""
    weights = weights_of(c)
    for name, head in model.heads.items():
        head_tokenizer = tokenizer_of_head(c, name, tokenizer)
        unit = unit_of(head_tokenizer)
        entries = getattr(head_tokenizer, "vocab_size", 0)
        note = assumed if head_tokenizer is tokenizer else "of its own"
        what = {TEXT: "tokens", "ipa": "IPA sounds"}.get(unit, f"{unit}s")
        if hasattr(head, "sizes"):
            yield f"  {name:<16} weight {weights[name]:g}, {' x '.join(map(str, head.sizes))} units of each frame"
            continue
        layer = f", layer {layers_of(c)[name]}" if name in layers_of(c) else ""
        if learns := getattr(head, "learns", ""):
            yield f"  {name:<16} weight {weights[name]:g}, {learns}, mean over {loss_unit(head)}{layer}"
            continue
        yield f"  {name:<16} weight {weights[name]:g}, {entries} {what} ({note}), mean over {loss_unit(head)}{layer}"


def loss_unit(head: nn.Module) -> str:
    """The unit that a head's loss is a mean over."""
    return str(getattr(head, "counted", "clips"))


def run_lines(data: Any, optim: OptimConfig, trainer: TrainerConfig) -> Iterator[str]:
    """Yield lines on data, optimiser and length of the run."""
    extra = ("unlabelled",) if getattr(data, "unlabelled", ()) else ()
    yield "data: " + "; ".join(f"{name} {names(getattr(data, name))}" for name in ("train", *extra, "dev", "tests"))
    length = f"{trainer.max_minutes:g} minutes" if trainer.max_minutes else f"{trainer.max_epochs} epochs"
    note = " (not made yet)" if is_future_path(trainer.init_from) else ""
    start = f"; begins with {trainer.init_from}{note}" if trainer.init_from else ""
    yield f"AdamW {optim.lr:g}, {optim.warmup_steps} steps of warm-up; {length}{start}"
    batches = f", {optim.accumulate} batches a step" if optim.accumulate > 1 else ""
    yield batch_line(data) + batches


def batch_line(data: Any) -> str:
    """The size of a batch, in the unit in which the settings of the data give it."""
    units = ("clips", "clips"), ("clips_per_batch", "clips"), ("tokens_per_batch", "tokens")
    for name, unit in (*units, ("frames_per_batch", "frames")):
        if size := getattr(data, name, None):
            return f"{size} {unit} a batch"
    return "batches of no fixed size"


def names(paths: Sequence[str]) -> str:
    """Manifests in one line."""
    return ", ".join(dict.fromkeys(paths)) or "none"


def parameters(module: nn.Module) -> int:
    """Number of parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def print_lines(lines: Callable[[Any], Iterator[str]], config: Any) -> int:
    """Print all lines, or none if the configuration is refused; returns the exit status. Raises VsrError."""
    print("\n".join(list(lines(config))))
    return 0
