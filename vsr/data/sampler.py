"""Batch sampling: about equal numbers of frames per batch, in an order determined by seed and epoch alone.

That order is the same in every run and on every rank, so an interrupted epoch goes on at the batch where it stopped.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from multiprocessing import get_all_start_methods, get_context

import numpy as np
from torch.utils.data import DataLoader, Dataset

from vsr.core.errors import VsrError


class FrameBudgetSampler:
    """Batches of clips of similar length, of at most ``frame_budget`` frames with their padding. Without ``shuffle``,
    as no training does it, a longer clip is a batch of its own; with it, one is refused (VsrError bad_config).

    The order depends on seed and epoch alone, so position k of an epoch is the same in every run.
    """

    def __init__(self, lengths: Sequence[int], frame_budget: int, seed: int = 0, shuffle: bool = True):
        if shuffle and max(lengths) > frame_budget:
            problem = f"a training clip of up to {max(lengths)} frames is over the budget of {frame_budget} a batch"
            raise VsrError("bad_config", f"{problem}: raise data.frames_per_batch, or cut longer clips")
        self.lengths = np.asarray(lengths)
        self.frame_budget = frame_budget
        self.seed = seed
        self.shuffle = shuffle
        self._batches: dict[int, list[list[int]]] = {}  # batches of the last epoch asked for

    def batches(self, epoch: int = 0) -> list[list[int]]:
        """The batches of one epoch: every clip once."""
        if epoch not in self._batches:
            self._batches = {epoch: self._new_batches(epoch)}
        return self._batches[epoch]

    def _new_batches(self, epoch: int) -> list[list[int]]:
        rng = np.random.default_rng((self.seed, epoch))
        jitter = rng.random(len(self.lengths)) if self.shuffle else np.zeros(len(self.lengths))
        order = np.lexsort((jitter, self.lengths))
        batches = list(self._cut(order.tolist()))
        if self.shuffle:
            rng.shuffle(batches)
        return batches

    def _cut(self, order: list[int]) -> Iterator[list[int]]:
        batch: list[int] = []
        lengths = self.lengths.tolist()
        for index in order:  # by rising length: the newest is the longest
            if batch and (len(batch) + 1) * lengths[index] > self.frame_budget:
                yield batch
                batch = []
            batch.append(index)
        yield batch

    def padding_share(self, epoch: int = 0) -> float:
        """Share of padded frames in an epoch's batches."""
        padded = sum(len(batch) * self.lengths[batch].max() for batch in self.batches(epoch))
        return 1 - self.lengths.sum() / padded


def planned_batches(dataset, plan: Sequence[list[int]], epoch: int, workers: int = 0) -> DataLoader:
    """``dataset.batch`` of each list of indices, prepared by ``workers`` processes; an empty list gives clip 0.

    A refused clip yields its VsrError as an item: raised in a worker process, it would lose its message on the way.
    """
    plan = _Plan(dataset, plan, epoch)
    return DataLoader(
        plan, batch_size=None, num_workers=workers, multiprocessing_context=worker_context(workers),
        worker_init_fn=leave_signals if workers else None,
    )  # fmt: skip


def leave_signals(worker: int) -> None:
    """Leave the signals that end a run to its rank, which needs the batches until it has saved. SLURM and a terminal
    send them to the workers as well; these end with the rank."""
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)


def worker_context(workers: int):
    """How worker processes start: from a server without threads, as a fork of this process could hang for ever on a
    lock that another thread held. The server loads PyTorch once for all workers. Windows has no such server and spawns
    each worker. None without workers."""
    if not workers:
        return None
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(["vsr.data.batch"])
    return context


class _Plan(Dataset):
    """The batches of an epoch by number."""

    def __init__(self, dataset, plan: Sequence[list[int]], epoch: int):
        self.dataset, self.plan, self.epoch = dataset, plan, epoch

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, number: int):
        try:
            return self.dataset.batch(self.plan[number] or [0], self.epoch)
        except VsrError as error:
            return error


def divide_among_ranks(batches: Sequence[list[int]], ranks: int) -> list[list[int]]:
    """At most ``ranks`` batches -> one per rank: while there are too few, the batch with the most clips is halved.

    Every clip stays, once. A rank gets an empty batch only if there are fewer clips than ranks.
    """
    sharded = list(batches)
    while len(sharded) < ranks and max(map(len, sharded)) > 1:
        most = max(range(len(sharded)), key=lambda place: len(sharded[place]))
        sharded[most : most + 1] = [sharded[most][::2], sharded[most][1::2]]
    return sharded + [[]] * (ranks - len(sharded))
