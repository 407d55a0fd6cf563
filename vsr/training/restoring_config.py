"""The typed configuration of the training of a text restorer."""

from __future__ import annotations

from dataclasses import dataclass, field

from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, NOT_NEGATIVE, SEED, SHARE, Range, check_number, check_numbers
from vsr.decoding.restorer import RestorerSettings
from vsr.training.config import OptimConfig
from vsr.training.prompts import NoiseConfig


@dataclass(frozen=True)
class PairsConfig:
    """Texts with one sentence per line, or manifests; sentences of ``dev`` and ``tests`` are left out of ``train``.

    ``dictionary``: pronunciation dictionaries, as `vsr tokens` takes them. ``batch``: sentences per step, of at most
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
    """Length of a run: ``max_steps`` or ``max_minutes`` if set, else ``max_epochs``; and how often it is saved."""

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
    """Configuration of a text restorer; its key ``llm`` tells it from that of a lip reader."""

    llm: RestorerSettings
    data: PairsConfig
    optim: OptimConfig = field(default_factory=OptimConfig)
    trainer: RestorerTrainerConfig = field(default_factory=RestorerTrainerConfig)
    seed: int = 0

    def __post_init__(self):
        check_number("seed", self.seed, SEED)
        self.optim.one_batch_a_step("a text restorer takes one batch in a step: raise data.batch")
        count = len(self.data.noise.hypotheses)
        if count and count != (self.llm.lines if self.llm.input == "text" else 1):
            problem = f"{count} files of data.noise.hypotheses for {self.llm.lines} llm.lines of {self.llm.input}"
            raise VsrError("bad_config", f"{problem}: text takes as many as lines, units one")
