"""Training configuration of a vocoder: the settings of `lip2speech vocoder`."""

from __future__ import annotations

from dataclasses import dataclass, field

from lip2speech.vocoders.generator import GeneratorConfig
from vsr.core.numbers import COUNT, NOT_NEGATIVE, SHARE, check_numbers
from vsr.training.config import RunConfig, check_lists
from vsr.training.model_settings import model_settings


@dataclass(frozen=True)
class VocoderDataConfig:
    """Manifests, features, and the composition of batches.

    ``predicted``: folder of `lip2speech synthesize --features`, with the acoustic model's mels and units for the
    training clips; they are then used as often as the natural ones. ``segment``: length in video frames.
    ``corruption``: share of mels that get blur and noise; ``noise``: its greatest standard deviation, nepers.
    """

    train: tuple[str, ...]
    dev: tuple[str, ...]
    features: str
    tests: tuple[str, ...] = ()
    predicted: str = ""
    segment: int = 25
    clips_per_batch: int = 16
    corruption: float = field(default=0.5, metadata={"earlier": "roughen"})
    noise: float = 0.5

    def __post_init__(self):
        check_lists(self.train, self.dev)
        check_numbers(self, "data.", segment=COUNT, clips_per_batch=COUNT, corruption=SHARE, noise=NOT_NEGATIVE)


@dataclass(frozen=True)
class GanConfig:
    """Weights of the losses; discriminators of ``width`` channels join after the share ``after`` of the schedule;
    ``source``: weight of the losses of a pitched source (`lip2speech.vocoders.source`)."""

    after: float = 0.4
    width: int = 16
    mel: float = 15.0
    spectral: float = 2.0
    adversarial: float = 1.0
    features: float = 5.0
    source: float = 1.0

    def __post_init__(self):
        weights = dict.fromkeys(("mel", "spectral", "adversarial", "features", "source"), NOT_NEGATIVE)
        check_numbers(self, "gan.", "bad_config", after=NOT_NEGATIVE, width=COUNT, **weights)


@dataclass(frozen=True)
class VocoderTrainConfig(RunConfig):
    """Training configuration of a vocoder and its discriminators."""

    data: VocoderDataConfig
    gan: GanConfig = field(default_factory=GanConfig)

    def __post_init__(self):
        super().__post_init__()
        self.optim.one_batch_a_step("a vocoder's discriminators learn in the same step: raise data.clips_per_batch")

    def model_config(self) -> GeneratorConfig:
        """The vocoder's configuration. Raises VsrError."""
        return model_settings(GeneratorConfig, self.model)
