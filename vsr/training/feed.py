"""Batches of one rank in an epoch: some for each step, dealt so that no clip is left out or taken twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from vsr.core.errors import VsrError
from vsr.data.sampler import divide_among_ranks, planned_batches
from vsr.training.fabric import Fabric


class Feed:
    """This rank's batches in the rest of an epoch, prepared ahead.

    A step takes the next ``accumulate`` batches of the epoch for each rank, or what is left of the epoch.

    Args:
        fabric: gives rank, number of ranks and device.
        dataset: its ``batch(indices, epoch)`` makes a batch.
        batches: of the whole epoch, as lists of clip indices.
        first: number of batches that are done.
        epoch: number of the epoch.
        workers: processes that prepare batches; with 0 this process does.
        accumulate: batches of each rank in a step.
    """

    def __init__(
        self, fabric: Fabric, dataset, batches: Sequence[list[int]], first: int, epoch: int, workers: int,
        accumulate: int = 1,
    ):  # fmt: skip
        world, rank = fabric.world_size, fabric.global_rank
        self.fabric = fabric
        self.steps: list[tuple[int, list[list[int]]]] = []  # (batches that are done after the step, clips by batch)
        for position in range(first, len(batches), world * accumulate):
            dealt = batches[position : position + world * accumulate]
            passes = -(-len(dealt) // world)
            self.steps.append((position + len(dealt), divide_among_ranks(dealt, world * passes)[rank::world]))
        plan = [clips for _, step in self.steps for clips in step]
        self._coming = iter(planned_batches(dataset, plan, epoch, workers))

    def step_batches(self, step: Sequence[list[int]]) -> Iterator[Any]:
        """The batches of the next step, each on this rank's device when its turn comes; one without clips has no share
        in the losses.

        With several ranks all of them call it. Raises the VsrError of a clip that cannot be read.
        """
        batches = [next(self._coming) for _ in step]
        for problem in batches:
            if isinstance(problem, VsrError):
                raise problem
        if self.fabric.world_size * len(batches) > 1:
            self._share(batches, [bool(clips) for clips in step])
        for batch in batches:
            yield batch.to(self.fabric.device)

    def _share(self, batches: Sequence[Any], there: Sequence[bool]) -> None:
        """Give the batches of a step that are ``there`` their shares in the counts of all batches of all ranks."""
        names = list(batches[0].counts())
        sizes = torch.stack([torch.stack(list(batch.counts().values())) for batch in batches])
        sizes = (sizes * torch.tensor(there)[:, None]).to(self.fabric.device)
        shares = sizes / self.fabric.all_reduce(sizes.mean(0), reduce_op="mean").clamp(min=1e-9)
        for batch, own in zip(batches, shares, strict=True):
            batch.shares = dict(zip(names, own, strict=True))
