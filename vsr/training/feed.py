"""Batches of one rank in an epoch: one per step, dealt so that no clip is left out or taken twice."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from vsr.core.errors import VsrError
from vsr.data.sampler import deal, planned_batches
from vsr.training.fabric import Fabric


class Feed:
    """This rank's batches in the rest of an epoch, prepared ahead.

    Args:
        fabric: gives rank, number of ranks and device.
        dataset: its ``batch(indices, epoch)`` makes a batch.
        batches: of the whole epoch, as lists of clip indices.
        first: number of batches that are done.
        epoch: number of the epoch.
        workers: processes that prepare batches; with 0 this process does.
    """

    def __init__(self, fabric: Fabric, dataset, batches: Sequence[list[int]], first: int, epoch: int, workers: int):
        world = fabric.world_size
        self.fabric = fabric
        self.steps: list[tuple[int, list[int]]] = []  # (batches that are done after the step, clips of this rank)
        for position in range(first, len(batches), world):
            indices = deal(batches[position : position + world], world)[fabric.global_rank]
            self.steps.append((min(position + world, len(batches)), indices))
        self._coming = iter(planned_batches(dataset, [indices for _, indices in self.steps], epoch, workers))

    def next_batch(self, counts: bool):
        """The batch of the next step, on this rank's device; without ``counts`` it has no share in the losses.

        With several ranks all of them call it. Raises the VsrError of a clip that cannot be read.
        """
        batch = next(self._coming)
        if isinstance(batch, VsrError):
            raise batch
        batch = batch.to(self.fabric.device)
        if self.fabric.world_size > 1:
            counted = batch.counts()
            sizes = torch.stack(list(counted.values())) * counts
            shares = sizes / self.fabric.all_reduce(sizes.clone(), reduce_op="mean").clamp(min=1e-9)
            batch.shares = dict(zip(counted, shares, strict=True))
        return batch
