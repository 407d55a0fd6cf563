"""The typed configuration of a restorer's training."""

from __future__ import annotations

from dataclasses import dataclass, field

from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, NOT_NEGATIVE, SEED, SHARE, Range, check_number, check_numbers
from vsr.decoding.restorer import RestorerSettings
from vsr.training.config import OptimConfig
from vsr.training.prompts import NoiseConfig


@dataclass(frozen=True)
class PairsConfig:
    """Texts, one sentence a line or manifests; sentences of ``dev`` and ``tests`` are left out of ``train``.

    ``dictionary``: of the words' phonemes, as `vsr tokens` takes it. ``batch`` sentences a step, of at most
    ``max_words`` words each.
    """

    train: tuple[str, ...]
    dev: tuple[str, ...]
    tests: tuple[str, ...] = ()
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    dictionary: tuple[str, ...] = ("cmu", "espeak")
    batch: int = 16
    max_words: int = 40

    def __post_init__(self):
        if not self.train or not self.dev:
            raise VsrError("bad_config", "data.train and data.dev need at least one file each")
        check_numbers(self, "data.", batch=COUNT, max_words=COUNT)
        check_number("data.noise.rate", self.noise.rate, SHARE)


@dataclass(frozen=True)
class RestorerTrainerConfig:
    """Length of a run: epochs, minutes or steps, where those are given; and how often what it has reached is saved."""

    max_epochs: int = 1
    max_minutes: float = 0.0
    threads: int = 2
    checkpoint_minutes: float = 3.0
    max_steps: int = 0

    def __post_init__(self):
        check_numbers(self, "trainer.", max_epochs=COUNT, max_minutes=NOT_NEGATIVE, threads=Range(least=1, most=1024))
        check_number("trainer.max_steps", self.max_steps, Range(least=0))
        if self.max_minutes and self.max_steps:
            raise VsrError("bad_config", "trainer.max_minutes and trainer.max_steps: give one of them")
        check_number("trainer.checkpoint_minutes", self.checkpoint_minutes, NOT_NEGATIVE)


@dataclass(frozen=True)
class RestorerTrainConfig:
    """Of a restorer of text; ``llm`` is what makes a YAML one."""

    llm: RestorerSettings
    data: PairsConfig
    optim: OptimConfig = field(default_factory=OptimConfig)
    trainer: RestorerTrainerConfig = field(default_factory=RestorerTrainerConfig)
    seed: int = 0

    def __post_init__(self):
        check_number("seed", self.seed, SEED)
        given = len(self.data.noise.hypotheses)
        if given and given != (self.llm.lines if self.llm.input == "text" else 1):
            problem = f"{given} files of data.noise.hypotheses for {self.llm.lines} llm.lines of {self.llm.input}"
            raise VsrError("bad_config", f"{problem}: text takes as many as lines, units one")
