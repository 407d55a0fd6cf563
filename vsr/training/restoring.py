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
from vsr.core.files import write_text
from vsr.core.numbers import COUNT, NOT_NEGATIVE, SEED, SHARE, Range, check_number, check_numbers
from vsr.core.tokens import IGNORE
from vsr.decoding.restorer import Codec, RestorerSettings, begun
from vsr.decoding.restorer_folder import build, save_restorer
from vsr.text.normalise import lower
from vsr.training.config import OptimConfig, dump_config
from vsr.training.language import read_texts
from vsr.training.optimiser import adamw, learning_rate
from vsr.training.prompts import NoiseConfig, Prompts

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
    """Length of a run: epochs, or minutes where they are given."""

    max_epochs: int = 1
    max_minutes: float = 0.0
    threads: int = 2

    def __post_init__(self):
        check_numbers(self, "trainer.", max_epochs=COUNT, max_minutes=NOT_NEGATIVE, threads=Range(least=1, most=1024))


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
        kept = batch.labels.shape[1] + 1
        logits = model(
            input_ids=batch.ids, attention_mask=batch.mask, position_ids=place, use_cache=False, logits_to_keep=kept
        ).logits[:, :-1]
    return F.cross_entropy(logits.flatten(0, 1).float(), batch.labels.flatten(), ignore_index=IGNORE)


class RestorerRun:
    """One training run; its folder receives config.yaml and at the end model/. Raises VsrError where there is a run."""

    def __init__(self, config: RestorerTrainConfig, folder: str | Path):
        self.config, self.folder = config, Path(folder)
        if (self.folder / "model").exists():
            raise VsrError("bad_config", f"{folder} holds a run already: choose another --out")
        torch.set_num_threads(config.trainer.threads)
        torch.manual_seed(config.seed)
        self.train, self.dev, left_out = sentences_of(config)
        self.prompts = Prompts(
            config.llm, config.data.noise, config.data.dictionary, Counter(chain.from_iterable(self.train))
        )
        self.model, self.codec, self.licence = build(config.llm)
        self.causal = config.llm.architecture == "causal"
        trained = sum(own.numel() for own in self.model.parameters() if own.requires_grad)
        print(
            f"{len(self.train)} sentences; {left_out} left out that dev or tests hold; {self.prompts.about}", flush=True
        )
        print(
            f"{config.llm.backbone or 'random weights'}: licence {self.licence}; {trained:,} parameters are trained",
            flush=True,
        )
        write_text(self.folder / "config.yaml", dump_config(config))

    def fit(self) -> Path:
        """Train to the end of the schedule; returns the model folder."""
        c, step, checked, begun_at = self.config, 0, 0, time.monotonic()
        optimiser = adamw(self.model, c.optim.lr, c.optim.weight_decay)
        for batch, share in self._batches(begun_at):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(c.optim, step, share)
            self.model.train()
            loss = pair_loss(self.model, batch)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), c.optim.clip)
            optimiser.step()
            step += 1
            if int(share * CHECKS) > checked:
                checked = int(share * CHECKS)
                self._say(step, begun_at, float(loss.detach()))
        dev = self._say(step, begun_at, float(loss.detach()))
        about = {
            "steps": step,
            "minutes": round((time.monotonic() - begun_at) / 60, 1),
            "seed": c.seed,
            "dev_loss": dev,
        }
        return save_restorer(self.folder / "model", self.model, c.llm, {"licence": self.licence, "training": about})

    def _batches(self, begun_at: float) -> Iterator[tuple[Pairs, float]]:
        """Batches with the share of the schedule that is over."""
        trainer, seed, number = self.config.trainer, self.config.seed, 0
        for epoch in range(10**9 if trainer.max_minutes else trainer.max_epochs):
            order = self._order(epoch)
            for place, chosen in enumerate(order):
                share = (epoch + place / len(order)) / trainer.max_epochs
                if trainer.max_minutes:
                    share = (time.monotonic() - begun_at) / 60 / trainer.max_minutes
                if share >= 1 and number:
                    return
                number += 1
                yield self._pairs([self.train[i] for i in chosen], np.random.default_rng((seed, epoch, place))), share

    def _order(self, epoch: int) -> list[list[int]]:
        """Sentences of like length together, by chance among equals, and the batches by chance."""
        rng, size = np.random.default_rng((self.config.seed, epoch)), self.config.data.batch
        mixed = sorted(rng.permutation(len(self.train)).tolist(), key=lambda i: len(self.train[i]))
        each = [mixed[start : start + size] for start in range(0, len(mixed), size)]
        return [each[i] for i in rng.permutation(len(each))]

    def _pairs(self, texts: Sequence[Sequence[str]], rng: np.random.Generator) -> Pairs:
        return batch_of(self.codec, self.causal, [self.prompts.lines(words, rng) for words in texts], texts)

    @torch.no_grad()
    def _say(self, step: int, begun_at: float, loss: float) -> float:
        """A line with the loss on dev, whose prompts have the same noise each time."""
        self.model.eval()
        rng, total, size = np.random.default_rng(self.config.seed), 0.0, self.config.data.batch
        for start in range(0, len(self.dev), size):
            chosen = self.dev[start : start + size]
            total += float(pair_loss(self.model, self._pairs(chosen, rng))) * len(chosen)
        minutes, dev = (time.monotonic() - begun_at) / 60, total / len(self.dev)
        print(f"step {step}  {minutes:.1f} min  loss {loss:.3f}  dev {dev:.3f}", flush=True)
        return dev
