"""Training a restorer of text: sentences become prompts with a reader's errors in them; the model learns the sentence.

What is read wrong is drawn from the readings of a development list, so that the model meets the errors that it will
be given (as Ma et al. 2024 for recognisers of speech); without them the prompts are right.
Shapes: B pairs, L tokens of the longest prompt with its text, U of the longest text.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, NOT_NEGATIVE, SEED, SHARE, Range, check_number, check_numbers
from vsr.core.tokens import IGNORE
from vsr.decoding.restorer import Codec, RestorerSettings, begun
from vsr.decoding.restorer_folder import build, save_restorer
from vsr.models.text_backbone import last_places
from vsr.text.normalise import lower
from vsr.training.config import OptimConfig
from vsr.training.continued import begin
from vsr.training.language import read_texts
from vsr.training.loop import step_seed
from vsr.training.optimiser import adamw, learning_rate
from vsr.training.prompts import NoiseConfig, Prompts
from vsr.training.restoring_state import Reached, frozen_of, load_reached, save_reached
from vsr.training.state import LAST

DEV_SENTENCES = 100  # that the loss is measured on
CHECKS = 5  # times that dev is read


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


def sentences_of(config: RestorerTrainConfig) -> tuple[list[list[str]], list[list[str]], int]:
    """Words of the sentences for training and dev, and how many of the first dev or tests hold. Raises VsrError."""
    data = config.data
    dev = [lower(text) for text in read_texts(data.dev)]
    held = {*dev, *map(lower, read_texts(data.tests))}
    train = [lower(text) for text in read_texts(data.train)]
    kept = [own.split() for own in train if own not in held and 0 < len(own.split()) <= data.max_words]
    if not kept or not any(dev):
        raise VsrError("bad_config", f"no sentence of 1 to {data.max_words} words in the text, or none for dev")
    return kept, [own.split() for own in dev if own][:DEV_SENTENCES], sum(own in held for own in train)


@dataclass(frozen=True)
class Pairs:
    """A batch: token ids (B, L) of prompts, then texts, with the padding in front, or prompts alone for an encoder;
    mask (B, L); labels (B, U), padded with -1."""

    ids: Tensor
    mask: Tensor
    labels: Tensor


def batch_of(codec: Codec, causal: bool, prompts: Sequence[Sequence[str]], texts: Sequence[Sequence[str]]) -> Pairs:
    """A batch of prompts (lines) and texts (words); labels are known by their lengths, never by a token."""
    labels = [torch.tensor(codec.text(words)) for words in texts]
    ids = [torch.tensor(codec.prompt(lines)) for lines in prompts]
    if causal:
        ids = [torch.cat(own) for own in zip(ids, labels, strict=True)]
    side = "left" if causal else "right"
    mask = pad_sequence([torch.ones(len(own), dtype=torch.long) for own in ids], True, 0, side)
    return Pairs(pad_sequence(ids, True, codec.pad, side), mask, pad_sequence(labels, True, IGNORE, side))


def pair_loss(model: Any, batch: Pairs) -> Tensor:
    """Cross-entropy of the texts' tokens, mean over them all; prompts teach nothing."""
    if model.config.is_encoder_decoder:
        logits = model(
            input_ids=batch.ids, attention_mask=batch.mask, decoder_input_ids=begun(batch.labels, model)
        ).logits
    else:
        place = (batch.mask.cumsum(1) - 1).clamp(min=0)
        kept = last_places(batch.ids.shape[1] - 1, batch.labels.shape[1])  # a token is told at the place before it
        logits = model(
            input_ids=batch.ids, attention_mask=batch.mask, position_ids=place, use_cache=False, logits_to_keep=kept
        ).logits
    return F.cross_entropy(logits.flatten(0, 1).float(), batch.labels.flatten(), ignore_index=IGNORE)


class RestorerRun:
    """One training run; its folder receives config.yaml, last.pt and at the end model/.

    Args:
        config: what is trained on what.
        folder: of the run. Raises VsrError where it holds one.
        resume: go on from last.pt, with what the run was begun with (`vsr.training.continued`).
    """

    def __init__(self, config: RestorerTrainConfig, folder: str | Path, resume: bool = False):
        self.config, self.folder = config, Path(folder)
        if not resume and any((self.folder / name).exists() for name in ("model", LAST)):
            raise VsrError("bad_config", f"{folder} holds a run already: add --resume, or choose another --out")
        torch.set_num_threads(config.trainer.threads)
        torch.manual_seed(config.seed)
        self.train, self.dev, left_out = sentences_of(config)
        self.prompts = Prompts(
            config.llm, config.data.noise, config.data.dictionary, Counter(chain.from_iterable(self.train))
        )
        self.model, self.codec, self.licence = build(config.llm)
        self.causal = config.llm.architecture == "causal"
        self.optimiser, self.frozen = adamw(self.model, config.optim.lr, config.optim.weight_decay), {}
        if config.llm.backbone and config.llm.lora.rank:
            self.frozen = frozen_of(self.model)
        self.reached = load_reached(self.folder, self.model, self.optimiser, self.frozen) if resume else Reached()
        if notice := begin(self.folder, config, resume):
            print(notice, flush=True)
        self._introduce(left_out)
        self.started = time.monotonic() - self.reached.seconds

    def _introduce(self, left_out: int) -> None:
        """What is trained on what."""
        trained = sum(own.numel() for own in self.model.parameters() if own.requires_grad)
        print(
            f"{len(self.train)} sentences; {left_out} left out that dev or tests hold; {self.prompts.about}", flush=True
        )
        by = self.config.llm.backbone or "random weights"
        print(f"{by}: licence {self.licence}; {trained:,} parameters are trained", flush=True)

    def fit(self) -> Path:
        """Train to the end of the schedule; returns the model folder."""
        c, saved = self.config, self.reached.seconds
        checked = int(self._share() * CHECKS)
        for batch, share in self._batches():
            loss = self._step(batch, share)
            if int(share * CHECKS) > checked:
                checked = int(share * CHECKS)
                self._say(loss)
            if self.reached.seconds - saved > 60 * c.trainer.checkpoint_minutes:
                saved = self.reached.seconds
                self._save()
        self._save()
        about = {
            "steps": self.reached.step,
            "minutes": round(self.reached.seconds / 60, 1),
            "seed": c.seed,
            "dev_loss": self._say(),
        }
        return save_restorer(self.folder / "model", self.model, c.llm, {"licence": self.licence, "training": about})

    def _step(self, batch: Pairs, share: float) -> float:
        """One optimiser step, whose chance depends on seed and step alone; returns the loss."""
        c = self.config
        torch.manual_seed(step_seed(c.seed, self.reached.step, 0))
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(c.optim, self.reached.step, share)
        self.model.train()
        loss = pair_loss(self.model, batch)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), c.optim.clip)
        self.optimiser.step()
        self.reached.step += 1
        self.reached.batch += 1
        self.reached.seconds = time.monotonic() - self.started
        return float(loss.detach())

    def _save(self) -> None:
        save_reached(self.folder, self.model, self.optimiser, self.frozen, self.reached)

    def _share(self) -> float:
        """Share of the schedule that is over, by steps or the clock where they are given."""
        trainer, own = self.config.trainer, self.reached
        if trainer.max_steps:
            return own.step / trainer.max_steps
        if trainer.max_minutes:
            return (time.monotonic() - self.started) / 60 / trainer.max_minutes
        return (own.epoch + own.batch / len(self._order(own.epoch))) / trainer.max_epochs

    def _batches(self) -> Iterator[tuple[Pairs, float]]:
        """What is left of the batches, with the share of the schedule that is over; one at least in a run."""
        own = self.reached
        while True:
            order = self._order(own.epoch)
            while own.batch < len(order):
                if (share := self._share()) >= 1 and own.step:
                    return
                rng = np.random.default_rng((self.config.seed, own.epoch, own.batch))
                yield self._pairs([self.train[i] for i in order[own.batch]], rng), share
            own.epoch, own.batch = own.epoch + 1, 0

    def _order(self, epoch: int) -> list[list[int]]:
        """Sentences of like length together, by chance among equals, and the batches by chance."""
        rng, size = np.random.default_rng((self.config.seed, epoch)), self.config.data.batch
        mixed = sorted(rng.permutation(len(self.train)).tolist(), key=lambda i: len(self.train[i]))
        each = [mixed[start : start + size] for start in range(0, len(mixed), size)]
        return [each[i] for i in rng.permutation(len(each))]

    def _pairs(self, texts: Sequence[Sequence[str]], rng: np.random.Generator) -> Pairs:
        return batch_of(self.codec, self.causal, [self.prompts.lines(words, rng) for words in texts], texts)

    @torch.no_grad()
    def _say(self, loss: float | None = None) -> float:
        """A line with the loss on dev, whose prompts have the same noise each time; returns that."""
        self.model.eval()
        rng, total, size = np.random.default_rng(self.config.seed), 0.0, self.config.data.batch
        for start in range(0, len(self.dev), size):
            chosen = self.dev[start : start + size]
            total += float(pair_loss(self.model, self._pairs(chosen, rng))) * len(chosen)
        minutes, dev = self.reached.seconds / 60, total / len(self.dev)
        own = "" if loss is None else f"loss {loss:.3f}  "
        print(f"step {self.reached.step}  {minutes:.1f} min  {own}dev {dev:.3f}", flush=True)
        return dev
