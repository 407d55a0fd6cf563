"""The typed configuration of a training run: YAML -> frozen dataclasses, every key checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vsr.core.errors import VsrError, one_line
from vsr.core.numbers import COUNT, NOT_NEGATIVE, POSITIVE, SEED, Range, check_number, check_numbers
from vsr.data.audio_visual import ModalityDropout, WrongLips
from vsr.data.corruption import Corruption
from vsr.data.track_augmentation import TrackAugmentation
from vsr.data.transforms import Augmentation
from vsr.models.lipreader import LipReaderConfig
from vsr.models.lipreader_config import unused_settings
from vsr.text.phonemes import UNITS
from vsr.text.tokenizer import TEXT, unit_of
from vsr.training.config_verb import other_verb
from vsr.training.model_settings import filled_heads, model_settings
from vsr.training.typed_yaml import build

STRATEGIES = ("auto", "ddp", "fsdp")
# Weights in half precision alone are not among them: neither the averaged weights nor small steps of AdamW survive it.
PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")


def check_lists(*lists: tuple[str, ...], what: str = "manifest") -> None:
    """Raises VsrError bad_config where the training or the dev list is empty."""
    if not all(lists):
        raise VsrError("bad_config", f"data.train and data.dev need at least one {what} each")


@dataclass(frozen=True)
class DataConfig:
    """Manifests of cropped clips, tokenizer folder, and batches.

    ``tests`` are read only to refuse a training or dev list that overlaps them. ``unlabelled``: manifests of further
    training clips, whose texts are not read, for an objective that learns from such clips (usr, cav2vec). Training
    clips of more than ``max_frames`` are left out (0: none are); training on short clips first is the published way to
    make an attention decoder start to learn (Ma et al. 2023). ``augmentation`` is for crops, ``track_augmentation`` for
    tracks, and ``corruption`` is applied to the streams of training clips as well; ``modality_dropout`` and
    ``wrong_lips`` are for models that read sound. ``unit``: required kind of the tokenizer ("text", "phoneme",
    "viseme"); "" for any.
    """

    train: tuple[str, ...]
    dev: tuple[str, ...]
    tokenizer: str
    tests: tuple[str, ...] = ()
    frames_per_batch: int = 600
    max_frames: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)
    corruption: Corruption = field(default_factory=Corruption)
    track_augmentation: TrackAugmentation = field(default_factory=TrackAugmentation)
    modality_dropout: ModalityDropout = field(default_factory=ModalityDropout)
    wrong_lips: WrongLips = field(default_factory=WrongLips)
    unit: str = ""
    unlabelled: tuple[str, ...] = ()

    def checked(self, tokenizer: Any) -> Any:
        """The tokenizer, checked to be of kind ``unit``. Raises VsrError bad_config."""
        unit = unit_of(tokenizer)
        if self.unit and unit != self.unit:
            problem = f"data.unit is {self.unit}, but the tokenizer of {self.tokenizer} is of {unit}"
            raise VsrError("bad_config", f"{problem}: make one by vsr tokens --kind {self.unit}")
        return tokenizer

    def __post_init__(self):
        if self.unit not in ("", TEXT, *UNITS):
            raise VsrError("bad_config", f"data.unit is '{self.unit}'; it can be text, {' or '.join(UNITS)}")
        check_lists(self.train, self.dev)
        check_numbers(self, "data.", frames_per_batch=COUNT, max_frames=NOT_NEGATIVE)
        if not 0 <= self.augmentation.speed < 1:
            raise VsrError("bad_config", f"data.augmentation.speed is {self.augmentation.speed}: give 0 to below 1")


@dataclass(frozen=True)
class OptimConfig:
    """AdamW with linear warm-up and cosine decay to zero; ``ema`` is the decay of the averaged weights.

    ``accumulate``: batches of each rank in a step, one after the other, so that one GPU takes the steps of many. Losses
    and gradients are those of one large batch; only batch normalisation still sees a batch at a time.
    """

    lr: float = 1e-3
    weight_decay: float = 0.03
    warmup_steps: int = 300
    clip: float = 5.0
    ema: float = 0.998
    accumulate: int = 1

    def __post_init__(self):
        check_numbers(
            self, "optim.", lr=POSITIVE, weight_decay=Range(least=0, most=1000),
            warmup_steps=NOT_NEGATIVE, clip=POSITIVE, ema=Range(least=0, below=1), accumulate=COUNT,
        )  # fmt: skip

    def one_batch_a_step(self, why: str) -> None:
        """Raises VsrError bad_config if batches are accumulated in a run that cannot do it."""
        if self.accumulate > 1:
            raise VsrError("bad_config", f"optim.accumulate is {self.accumulate}: {why}")


@dataclass(frozen=True)
class TrainerConfig:
    """Length of the run and the machines.

    With ``max_minutes`` the cosine follows the clock and the run ends after them, whatever the epoch. ``precision``
    "auto" is bf16-mixed on a GPU and 32-true on a CPU; 16-mixed is for GPUs without bf16. ``devices`` is the number of
    processes on each of ``num_nodes`` machines; at 1 both are taken from torchrun or SLURM if these started the run.
    ``strategy``: "ddp" (and "auto") keeps the whole model on every rank, "fsdp" shards model, gradients and optimiser
    over the ranks. ``workers``: processes per rank that prepare batches while it computes; with 0 the rank prepares
    them itself between steps.
    ``frontend_weights``: torchvision's checkpoint (.pth) of the front end's network. ``freeze``: parts of the model
    that are not trained and stay in evaluation mode (`vsr.training.frozen`). ``keep_epochs``: last epochs whose
    averaged weights are kept; ``keep_best``: and those with the best figures on the dev list.
    """

    max_epochs: int = 50
    max_minutes: float = 0.0
    precision: str = "auto"
    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    threads: int = 2
    workers: int = 0
    checkpoint_minutes: float = 3.0
    keep_epochs: int = 10
    init_from: str = ""
    frontend_weights: str = ""
    freeze: tuple[str, ...] = ()
    keep_best: int = 0

    def __post_init__(self):
        check_numbers(
            self, "trainer.", max_epochs=COUNT, max_minutes=NOT_NEGATIVE, devices=COUNT, num_nodes=COUNT,
            threads=Range(least=1, most=1024), workers=Range(least=0, most=1024), checkpoint_minutes=NOT_NEGATIVE,
            keep_epochs=COUNT, keep_best=NOT_NEGATIVE,
        )  # fmt: skip
        for name, allowed in (("strategy", STRATEGIES), ("precision", PRECISIONS)):
            if (value := getattr(self, name)) not in allowed:
                raise VsrError("bad_config", f"trainer.{name} is '{value}'; it can be {' or '.join(allowed)}")

    def check_objective(self, objective: Any) -> None:
        """Raises VsrError bad_config for an objective that searches while it trains, with a sharded model: its layers
        are whole only within a pass that all ranks take together."""
        if self.strategy == "fsdp" and getattr(objective, "searches", False):
            raise VsrError("bad_config", f"trainer.strategy is fsdp: the objective {objective.name} needs ddp")


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run; each kind of run has its own type of ``data``."""

    data: Any
    model: dict[str, Any] = field(default_factory=dict)
    optim: OptimConfig = field(default_factory=OptimConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    seed: int = 0

    def __post_init__(self):
        check_number("seed", self.seed, SEED)


@dataclass(frozen=True)
class TrainConfig(RunConfig):
    """Configuration of a lip reader. ``objective``: a kind of `vsr.objectives.registry`, or {kind: ..., settings}; "":
    the losses of the heads."""

    data: DataConfig
    objective: str = ""
    objective_settings: dict[str, Any] = field(default_factory=dict)

    def model_config(self, vocab_size: int) -> LipReaderConfig:
        """The model's settings with the vocabulary size filled in. Raises VsrError."""
        config = model_settings(LipReaderConfig, filled_heads(self.model), vocab_size=vocab_size)
        heads = config.ctc_weight or config.decoder_layers or config.alignment_weight or config.classes
        if not (heads or config.further_heads):
            problem = "no head to train: give ctc_weight, decoder_layers, alignment_weight, classes or further_heads"
            raise VsrError("bad_config", f"model: {problem}")
        if config.decoder_layers and config.ctc_weight >= 1:
            problem = "the decoder would learn nothing: give a ctc_weight below 1, or 0 decoder_layers"
            raise VsrError("bad_config", f"model: {problem}")
        return config

    def unused(self, config: LipReaderConfig) -> str:
        """One line on settings of the model that this one, of sizes ``config``, does not have; "" if there are none."""
        names = unused_settings(config, self.model)
        what = f"without effect: {', '.join(f'model.{name}' for name in names)}"
        where = f"as in frontend: {{kind: {config.frontend}, ...}} and encoder: {{kind: {config.encoder}, ...}}"
        return f"{what}; a kind's own settings are given with it, {where}" if names else ""


def load_config(path: str | Path, overrides: Iterable[str] = (), kind: type = TrainConfig) -> Any:
    """Read a YAML file as a ``kind``; ``overrides`` are ``section.key=value``, values in YAML. Raises VsrError."""
    import yaml

    try:
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        for override in overrides if isinstance(settings, dict) else ():  # `build` refuses other types
            key, equals, value = override.partition("=")
            if not equals:
                raise VsrError("bad_config", f"'{override}' is not of the form section.key=value")
            _set(settings, key.split("."), yaml.safe_load(value))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise VsrError("bad_config", f"cannot read {path}: {one_line(error)}") from error
    try:
        return build(kind, settings)
    except VsrError as error:
        if verb := other_verb(settings, kind):
            raise VsrError(error.reason, f"{path} is a configuration of {verb}: {error}") from error
        raise


def _set(settings: dict, keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        if isinstance(settings.get(key), str):  # a kind by its name alone
            settings[key] = {"kind": settings[key]}
        settings = settings.setdefault(key, {})
        if not isinstance(settings, dict):
            raise VsrError("bad_config", f"'{key}' has no settings below it")
    settings[keys[-1]] = value


def dump_config(config: Any) -> str:
    """YAML that load_config reads back."""
    import json

    import yaml

    return yaml.safe_dump(json.loads(json.dumps(asdict(config))), sort_keys=False)
