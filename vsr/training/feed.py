"""What each rank takes of an epoch's batches: one a step, sharded so that no clip is left out or taken twice."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from vsr.core.errors import VsrError
from vsr.data.sampler import deal, planned_batches
from vsr.training.fabric import Fabric


class Feed:
    """This rank's batches in the rest of an epoch, prepared ahead.

    Args:
        fabric: gives rank and number of ranks, and the device.
        dataset: its ``batch(indices, epoch)`` makes a batch.
        batches: of the whole epoch, lists of clips' numbers.
        first: how many of them are done.
        epoch: its number.
        workers: processes that prepare batches; 0: this one does.
    """

    def __init__(self, fabric: Fabric, dataset, batches: Sequence[list[int]], first: int, epoch: int, workers: int):
        world = fabric.world_size
        self.fabric = fabric
        self.steps: list[tuple[int, list[int]]] = []  # (batches that are done after the step, clips of this rank)
        for position in range(first, len(batches), world):
            indices = deal(batches[position : position + world], world)[fabric.global_rank]
            self.steps.append((min(position + world, len(batches)), indices))
        self._coming = iter(planned_batches(dataset, [indices for _, indices in self.steps], epoch, workers))

    def take(self, counts: bool):
        """The batch of the next step, on this rank's device; one that ``counts`` for nothing has no share in a mean.

        With several ranks all of them call it. Raises VsrError, what a clip is refused for.
        """
        batch = next(self._coming)
        if isinstance(batch, VsrError):
            raise batch
        batch = batch.to(self.fabric.device)
        if self.fabric.world_size > 1:
            counted = batch.counts()
            own = torch.stack(list(counted.values())) * counts
            shares = own / self.fabric.all_reduce(own.clone(), reduce_op="mean").clamp(min=1e-9)
            batch.shares = dict(zip(counted, shares, strict=True))
        return batch
