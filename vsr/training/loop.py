"""The training loop: batches -> loss -> AdamW, with averaged weights, validation and exact resume.

Runs on a CPU, one GPU or many machines through Lightning Fabric. A subclass defines the model and the data.

A step takes one batch of the sampler for each rank, or `optim.accumulate` of them. The order of batches depends only on
the seed, and the random numbers of a batch only on seed, step and place in the step: a resumed run needs no random
state, even with another number of ranks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from vsr.core.errors import VsrError
from vsr.core.files import remove_leftovers
from vsr.core.interrupts import EndSignal, check, postponed, requested
from vsr.data.sampler import FrameBudgetSampler
from vsr.training.batch_norm import synchronise_batch_norm
from vsr.training.config import load_config
from vsr.training.connecting import ended_by_failures
from vsr.training.epochs import EPOCHS, DevFigure, drop_epochs_after, keep_epoch
from vsr.training.failures import ranks_end_together
from vsr.training.feed import Feed
from vsr.training.finite import Finite, Statistics
from vsr.training.frozen import freeze
from vsr.training.log import StepLog, add_points
from vsr.training.machines import check_gradients, errors_on_all_ranks, open_fabric, raised_by_rank_zero, shared_figures
from vsr.training.optimiser import adamw, learning_rate
from vsr.training.run_inputs import begin_run
from vsr.training.sharding import gather_whole
from vsr.training.state import LAST, Average, Progress, load_state, save_state


class Batches(Protocol):
    """The training data: batches by the indices of their items."""

    def batch(self, indices: list[int], epoch: int) -> Any: ...


class Run:
    """One training run in one folder; a subclass opens the data, builds the model, validates and exports.

    A batch is the result of ``self.train.batch(indices, epoch)``, and the model's ``loss(batch)`` is a dictionary with
    "loss" and further figures to report.

    Args:
        config: configuration of data and model, with the parts ``optim``, ``trainer`` and ``seed``.
        folder: receives config.yaml, last.pt, log/steps.tsv, epochs/, tensorboard/ and at the end model/.
        resume: continue from last.pt, with the configuration that the run started with (`vsr.training.run_inputs`).
    """

    train: Batches
    sampler: FrameBudgetSampler
    entries: tuple[str, ...] = ("loss",)  # methods of the model, besides forward, that a step calls
    counted = "frames"  # unit of the sampler's lengths
    chosen_by = ""  # the figure of `validate` by which epochs are compared; "": its last one
    higher: tuple[str, ...] = ()  # figures that are the better the higher they are

    def __init__(self, config, folder: str | Path, resume: bool = False):
        self.config, self.folder = config, Path(folder)
        trainer = config.trainer
        torch.set_num_threads(trainer.threads)
        self.fabric = open_fabric(trainer, self.entries)
        with ended_by_failures(self._program()):
            self.fabric.launch()
        self.progress, self.finite, self.asked = Progress(), Finite(), False  # asked: to end, by a signal
        with self._with_all_ranks():
            self._open(resume)

    def _with_all_ranks(self) -> AbstractContextManager[None]:
        """A context in which an error on one rank ends all ranks."""
        return ranks_end_together(self.fabric, self._program())

    def _program(self) -> str:
        return type(self).__module__.partition(".")[0]

    def _open(self, resume: bool) -> None:
        """Open data and model, and begin or resume the run."""
        with errors_on_all_ranks(self.fabric):
            if not resume and (self.folder / LAST).exists():
                problem = f"{self.folder} holds a run already"
                raise VsrError("bad_config", f"{problem}: add --resume, or choose another --out")
            torch.manual_seed(self.config.seed)  # the same initial weights on all ranks
            self._open_data()
            model = self._build_model()
            freeze(model, self.config.trainer.freeze)
        self._open_model(model)
        self._begin(resume)

    def _open_data(self) -> None:
        """Set ``train`` (the batches) and ``sampler`` (their order)."""
        raise NotImplementedError

    def _build_model(self) -> nn.Module:
        """The model to be trained, with its initial weights."""
        raise NotImplementedError

    def _stepped(self) -> nn.Module:
        """The module that Fabric wraps: a step calls it, and the ranks share its gradients."""
        return self.model

    def losses(self, batch) -> dict[str, torch.Tensor]:
        """Figures of one step on ``batch``; "loss" is the one that is minimised."""
        with self.fabric.autocast():  # on a single device Fabric casts only for forward
            return self.wrapped.loss(batch)

    def validate(self) -> dict[str, float]:
        """Figures of the averaged weights on the dev list."""
        raise NotImplementedError

    def export(self, folder: Path) -> Path:
        """Write the averaged weights as a model folder (by rank 0 alone)."""
        raise NotImplementedError

    def say(self, text: str) -> None:
        """Print a line, on rank 0 alone (Fabric's own print does it once per machine)."""
        if self.fabric.is_global_zero:
            print(text, flush=True)

    def _open_model(self, model: nn.Module) -> None:
        self.average = Average(model.to(self.fabric.device), self.config.optim.ema)
        self.model = synchronise_batch_norm(model) if self.fabric.world_size > 1 else model
        self.wrapped = self.fabric.setup_module(self._stepped())
        self.average.cut(self.model)
        self.statistics = Statistics(self.model, self.average.tensors)
        optim = self.config.optim
        self.scaler = getattr(self.fabric.strategy.precision, "scaler", None)
        optimiser = adamw(self.model, optim.lr, optim.weight_decay, scaled=self.scaler is not None)
        self.optimiser = self.fabric.setup_optimizers(optimiser)
        for name in self.entries:
            self.wrapped.mark_forward_method(name)

    def _begin(self, resume: bool) -> None:
        """Load the state of the run to resume, and start the log and the clock."""
        with errors_on_all_ranks(self.fabric):
            if resume:
                self.progress = load_state(self.folder, self.model, self.average, self.optimiser, self.scaler)
            if self.fabric.is_global_zero and (notice := begin_run(self.folder, self.config, resume)):
                print(notice, flush=True)
        self.log: StepLog | None = None
        if self.fabric.is_global_zero:
            remove_leftovers(self.folder / LAST)
            drop_epochs_after(self.folder / EPOCHS, self.progress.epoch)
            self.log = StepLog(self.folder, self.progress.step, self.progress.epoch + 1, self.counted)
        self.first_step = self.progress.step
        self.started = time.monotonic() - self.progress.seconds
        self.saved = self.progress.seconds

    def fit(self) -> Path:
        """Train to the end of the schedule; returns the model folder with the averaged weights."""
        with self._with_all_ranks():
            return self._fit()

    def _fit(self) -> Path:
        while not self.finished():
            losses = self._epoch()
            if self.progress.batch == 0:
                self._report(losses)
        self._save()
        if self.log and (points := self.log.points()):  # of an epoch that max_minutes cut short
            add_points(self.folder / "tensorboard", points)
        folder = self.export(self.folder / "model")
        self.fabric.barrier()  # no rank exits while rank 0 writes
        return folder

    def share(self) -> float:
        """Share of the schedule that is over, 0 ... 1: by the clock with max_minutes, else by epochs."""
        trainer = self.config.trainer
        if trainer.max_minutes:
            return min(1.0, self.progress.seconds / 60 / trainer.max_minutes)
        epochs = self.progress.epoch + self.progress.batch / max(1, len(self.sampler.batches(self.progress.epoch)))
        return min(1.0, epochs / trainer.max_epochs)

    def finished(self) -> bool:
        """Whether the schedule is over."""
        return self.share() >= 1.0

    def _epoch(self) -> dict[str, float]:
        """The rest of the running epoch; returns mean losses of the whole epoch."""
        self.wrapped.train()
        trainer, epoch = self.config.trainer, self.progress.epoch
        batches, together = self.sampler.batches(epoch), self.config.optim.accumulate
        self.feed = Feed(self.fabric, self.train, batches, self.progress.batch, epoch, trainer.workers, together)
        with postponed():
            for batches_done, step in self.feed.steps:
                losses = self._step(step)
                self._log_step(batches[self.progress.batch : batches_done], losses)
                if not self.finite.in_a_row:
                    self.progress.count(losses)
                self.progress.batch = batches_done
                if self.finite.is_lost(len(batches), self.scaler is not None):
                    with errors_on_all_ranks(self.fabric):
                        raise self.finite.error(self.progress.step, self.folder)
                if trainer.max_minutes and self.finished():
                    return {}
                if self.asked or self.progress.seconds - self.saved > 60 * trainer.checkpoint_minutes:
                    self._save()
                if self.asked:
                    self.say(f"saved after step {self.progress.step}: --resume continues")
                    check()
                    raise EndSignal  # which another rank has received
        return self._epoch_over()

    def _epoch_over(self) -> dict[str, float]:
        """Advance to the next epoch; returns the mean losses of the one that ended."""
        means = self.progress.end_epoch()
        if skipped := self.finite.pop_skipped():
            steps = f"{skipped} of {len(self.feed.steps)} steps"
            self.say(f"epoch {self.progress.epoch:3d}  {steps} skipped: no finite gradient")
        return means

    def _step(self, step: list[list[int]]) -> dict[str, float]:
        """One optimiser step, with the clips of each of its batches; returns its losses as means over all of them."""
        optim = self.config.optim
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(optim, self.progress.step, self.share())
        self.statistics.keep()
        parts = [self._backward(batch, number, len(step)) for number, batch in enumerate(self.feed.step_batches(step))]
        figures = {name: sum(part.get(name, 0.0) for part in parts) for name in dict.fromkeys(chain(*parts))}
        if self.progress.step == self.first_step:
            check_gradients(self.fabric, self.wrapped, self.model)
        norm = self.fabric.clip_gradients(self.wrapped, self.optimiser, max_norm=optim.clip, error_if_nonfinite=False)
        self.norm = float(gather_whole(norm))
        self.finite.note(math.isfinite(self.norm))
        self.progress.skipped += bool(self.finite.in_a_row)
        # One bad batch must not spoil weights and average; in fp16 the scaler skips the step and lowers the scale.
        if not self.finite.in_a_row or self.scaler is not None:
            self.optimiser.step()
        if self.finite.in_a_row:
            self.statistics.restore()
        self.optimiser.zero_grad()
        self.progress.step += 1
        self.average.update(self.model, self.progress.step)
        seconds = time.monotonic() - self.started
        self.progress.seconds, self.asked, shared = shared_figures(self.fabric, seconds, requested(), figures)
        return shared

    def _backward(self, batch: Any, number: int, batches: int) -> dict[str, float]:
        """Add the gradient of batch ``number`` (from 0) of a step of so many ``batches``; returns its part of the
        losses. The ranks exchange gradients after the last one."""
        place = self.fabric.global_rank + self.fabric.world_size * number
        torch.manual_seed(step_seed(self.config.seed, self.progress.step, place))
        with self.fabric.no_backward_sync(self.wrapped, enabled=number + 1 < batches):
            losses = self.losses(batch)
            self.fabric.backward(losses["loss"] / batches)
        return {name: float(value.detach()) / batches for name, value in losses.items()}

    def _log_step(self, batches: list[list[int]], losses: dict[str, float]) -> None:
        """Log the last step, on these batches of all ranks."""
        if self.log:
            rate = self.optimiser.param_groups[0]["lr"]
            counted = sum(int(self.sampler.lengths[indices].sum()) for indices in batches)
            self.log.add(self.progress.step, self.progress.epoch + 1, rate, self.norm, counted, losses)

    def _report(self, losses: dict[str, float]) -> None:
        """Validate after an epoch, print a line, add points to TensorBoard, and save."""
        self.average.gather()
        figures = self.validate()
        losses |= figures
        text = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        minutes = self.progress.seconds / 60
        self.say(f"epoch {self.progress.epoch:3d}  {minutes:6.1f} min  {text}")
        if self.log:
            points = [(name, value, self.progress.epoch) for name, value in losses.items()]
            add_points(self.folder / "tensorboard", points + self.log.points())
            self._keep_epoch(figures)
        self._save()

    def _keep_epoch(self, figures: dict[str, float]) -> None:
        """Save the averaged weights of the epoch that is over, with these ``figures`` of the dev list."""
        trainer, name = self.config.trainer, self.chosen_by or list(figures)[-1]
        figure = DevFigure(name, figures[name], name in self.higher)
        folder = self.folder / EPOCHS
        keep_epoch(folder, self.average, self.progress.epoch, figure, trainer.keep_epochs, trainer.keep_best)

    def _save(self) -> None:
        self.average.gather()
        write = self.fabric.is_global_zero
        save_state(self.folder, self.model, self.average, self.optimiser, self.progress, write, self.scaler)
        self.saved = self.progress.seconds
        if self.log:
            self.log.pause_over()

    def training_record(self) -> dict[str, float]:
        """The record of training in the config of the exported model."""
        minutes = round(self.progress.seconds / 60, 1)
        return {
            "steps": self.progress.step, "epochs": self.progress.epoch, "minutes": minutes, "seed": self.config.seed,
        } | ({"skipped": self.progress.skipped} if self.progress.skipped else {})  # fmt: skip


def train(kind: Callable[..., Run], config: type, path: str, settings: Sequence[str], out: str, resume: bool) -> int:
    """Run a training verb: train by a configuration file; rank 0 prints the model folder. Raises VsrError."""
    with raised_by_rank_zero():
        loaded = load_config(path, settings, config)
    run = kind(loaded, out, resume)
    run.say(f"model: {run.fit()}")
    return 0


def step_seed(seed: int, step: int, place: int) -> int:
    """The seed of dropout and noise for a batch of a step; ``place``: the rank, for the first batch of each rank."""
    return int(np.random.SeedSequence((seed, step, place)).generate_state(1)[0])
