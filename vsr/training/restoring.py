"""Training a restorer of text: sentences become prompts with a reader's errors in them; the model learns the sentence.

What is read wrong is drawn from the readings of a development list, so that the model meets the errors that it will
be given (as Ma et al. 2024 for recognisers of speech); without them the prompts are right.
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
from vsr.training.continued import begin
from vsr.training.language import read_texts
from vsr.training.loop import step_seed
from vsr.training.optimiser import adamw, learning_rate
from vsr.training.prompts import Prompts
from vsr.training.restoring_config import RestorerTrainConfig
from vsr.training.restoring_pairs import Pairs, batch_of, pair_loss
from vsr.training.restoring_state import Reached, frozen_of, load_reached, save_reached
from vsr.training.state import LAST

DEV_SENTENCES = 100  # that the loss is measured on
CHECKS = 5  # times that dev is read


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
                self._report(self._dev_loss(), loss)
            if self.reached.seconds - saved > 60 * c.trainer.checkpoint_minutes:
                saved = self.reached.seconds
                self._save()
        self._save()
        dev, minutes = self._dev_loss(), round(self.reached.seconds / 60, 1)
        self._report(dev)
        about = {"steps": self.reached.step, "minutes": minutes, "seed": c.seed, "dev_loss": dev}
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
    def _dev_loss(self) -> float:
        """The loss on dev, whose prompts have the same noise each time."""
        self.model.eval()
        rng, total, size = np.random.default_rng(self.config.seed), 0.0, self.config.data.batch
        for start in range(0, len(self.dev), size):
            chosen = self.dev[start : start + size]
            total += float(pair_loss(self.model, self._pairs(chosen, rng))) * len(chosen)
        return total / len(self.dev)

    def _report(self, dev: float, loss: float | None = None) -> None:
        """A line on the screen."""
        own = "" if loss is None else f"loss {loss:.3f}  "
        minutes = self.reached.seconds / 60
        print(f"step {self.reached.step}  {minutes:.1f} min  {own}dev {dev:.3f}", flush=True)
