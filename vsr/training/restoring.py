"""Train a text restorer: sentences become prompts with errors of a lip reader, and the model learns the sentences.

Errors are drawn from hypotheses of a development list, so that the model meets those of its later input (as in Ma et
al. 2024 for speech recognition); without hypotheses the prompts have no errors.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from vsr.core.errors import VsrError
from vsr.decoding.restorer_folder import build, save_restorer
from vsr.text.normalise import lower
from vsr.training.finite import Finite
from vsr.training.language import read_texts
from vsr.training.loop import step_seed
from vsr.training.optimiser import adamw, learning_rate
from vsr.training.prompts import Prompts
from vsr.training.restoring_config import RestorerTrainConfig
from vsr.training.restoring_pairs import Pairs, batch_of, pair_loss
from vsr.training.restoring_state import RunProgress, frozen_of, load_progress, save_progress
from vsr.training.run_inputs import begin_run
from vsr.training.state import LAST

DEV_SENTENCES = 100  # sentences for the dev loss
CHECKS = 5  # number of times that the dev loss is measured


def sentences_of(config: RestorerTrainConfig) -> tuple[list[list[str]], list[list[str]], int]:
    """Sentences (words) for training and dev, and the number of training texts left out for being in dev or tests.

    Raises VsrError bad_config where no sentence is left.
    """
    data = config.data
    dev = [lower(text) for text in read_texts(data.dev)]
    held_out = {*dev, *map(lower, read_texts(data.tests))}
    train = [lower(text) for text in read_texts(data.train)]
    sentences = [text.split() for text in train if text not in held_out and 0 < len(text.split()) <= data.max_words]
    if not sentences or not any(dev):
        raise VsrError("bad_config", f"no sentence of 1 to {data.max_words} words in the text, or none for dev")
    return sentences, [text.split() for text in dev if text][:DEV_SENTENCES], sum(text in held_out for text in train)


class RestorerRun:
    """One training run; its folder receives config.yaml, last.pt and at the end model/.

    Args:
        config: configuration of data, model and training.
        folder: of the run. Raises VsrError where it holds a run and ``resume`` is not given.
        resume: continue from last.pt, with the configuration that the run started with (`vsr.training.run_inputs`).
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
        self.finite = Finite()
        if config.llm.backbone and config.llm.lora.rank:
            self.frozen = frozen_of(self.model)
        self.progress = load_progress(self.folder, self.model, self.optimiser, self.frozen) if resume else RunProgress()
        if notice := begin_run(self.folder, config, resume):
            print(notice, flush=True)
        self._introduce(left_out)
        self.started = time.monotonic() - self.progress.seconds

    def _introduce(self, left_out: int) -> None:
        """Print a summary of data and model."""
        trained = sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)
        print(
            f"{len(self.train)} sentences; {left_out} left out that dev or tests hold; {self.prompts.about}", flush=True
        )
        source = self.config.llm.backbone or "random weights"
        print(f"{source}: licence {self.licence}; {trained:,} parameters are trained", flush=True)

    def fit(self) -> Path:
        """Train to the end of the schedule; returns the model folder."""
        config, saved = self.config, self.progress.seconds
        checked = int(self._share() * CHECKS)
        for batch, share in self._batches():
            loss = self._step(batch, share)
            if int(share * CHECKS) > checked:
                checked = int(share * CHECKS)
                self._report(self._dev_loss(), loss)
            if self.progress.seconds - saved > 60 * config.trainer.checkpoint_minutes:
                saved = self.progress.seconds
                self._save()
        self._save()
        dev, minutes = self._dev_loss(), round(self.progress.seconds / 60, 1)
        self._report(dev)
        about = {"steps": self.progress.step, "minutes": minutes, "seed": config.seed, "dev_loss": dev}
        return save_restorer(
            self.folder / "model", self.model, config.llm, {"licence": self.licence, "training": about}
        )

    def _step(self, batch: Pairs, share: float) -> float:
        """One optimiser step, whose random numbers depend only on seed and step; returns the loss."""
        config = self.config
        torch.manual_seed(step_seed(config.seed, self.progress.step, 0))
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(config.optim, self.progress.step, share)
        self.model.train()
        loss = pair_loss(self.model, batch)
        self.optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.optim.clip)
        self.finite.note(bool(norm.isfinite()))
        if not self.finite.in_a_row:
            self.optimiser.step()
        elif self.finite.is_lost(len(self.train)):
            raise self.finite.error(self.progress.step + 1, self.folder)
        self.progress.step += 1
        self.progress.batch += 1
        self.progress.seconds = time.monotonic() - self.started
        return float(loss.detach())

    def _save(self) -> None:
        save_progress(self.folder, self.model, self.optimiser, self.frozen, self.progress)

    def _share(self) -> float:
        """Share of the schedule that is over, by max_steps or max_minutes if one is set, else by epochs."""
        trainer, progress = self.config.trainer, self.progress
        if trainer.max_steps:
            return progress.step / trainer.max_steps
        if trainer.max_minutes:
            return (time.monotonic() - self.started) / 60 / trainer.max_minutes
        return (progress.epoch + progress.batch / len(self._order(progress.epoch))) / trainer.max_epochs

    def _batches(self) -> Iterator[tuple[Pairs, float]]:
        """Yield the remaining batches, with the share of the schedule that is over; a run has at least one."""
        progress = self.progress
        while True:
            order = self._order(progress.epoch)
            while progress.batch < len(order):
                if (share := self._share()) >= 1 and progress.step:
                    return
                rng = np.random.default_rng((self.config.seed, progress.epoch, progress.batch))
                yield self._pairs([self.train[index] for index in order[progress.batch]], rng), share
            progress.epoch, progress.batch = progress.epoch + 1, 0

    def _order(self, epoch: int) -> list[list[int]]:
        """Batches of sentences (indices) of similar length, with ties and the order of batches at random."""
        rng, size = np.random.default_rng((self.config.seed, epoch)), self.config.data.batch
        mixed = sorted(rng.permutation(len(self.train)).tolist(), key=lambda index: len(self.train[index]))
        batches = [mixed[start : start + size] for start in range(0, len(mixed), size)]
        return [batches[index] for index in rng.permutation(len(batches))]

    def _pairs(self, texts: Sequence[Sequence[str]], rng: np.random.Generator) -> Pairs:
        return batch_of(self.codec, self.causal, [self.prompts.lines(words, rng) for words in texts], texts)

    @torch.no_grad()
    def _dev_loss(self) -> float:
        """The loss on the dev sentences, whose prompts have the same noise each time."""
        self.model.eval()
        rng, total, size = np.random.default_rng(self.config.seed), 0.0, self.config.data.batch
        for start in range(0, len(self.dev), size):
            chosen = self.dev[start : start + size]
            total += float(pair_loss(self.model, self._pairs(chosen, rng))) * len(chosen)
        return total / len(self.dev)

    def _report(self, dev: float, loss: float | None = None) -> None:
        """Print a line with the losses."""
        train_loss = "" if loss is None else f"loss {loss:.3f}  "
        minutes = self.progress.seconds / 60
        print(f"step {self.progress.step}  {minutes:.1f} min  {train_loss}dev {dev:.3f}", flush=True)
