"""Units as input instead of lips: pretrains the networks on audio alone, to initialise a lip model (the pretraining of
AlignDiT and FTV; the renderer of AV2AV).

Shapes: B batch, T video frames, D width of the lip reader, K units; two units a frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lip2speech.features.dataset import SpeechBatch, SpeechDataset
from vsr.core.clock import UNITS_PER_FRAME
from vsr.data.batch import Batch

SEED = 0  # of the units' vectors, which a lip model that starts from the weights does not use
SPAN = 10  # frames that are masked at once


def unit_vectors(units: int, width: int) -> Tensor:
    """Random vectors (K, D), the same in every run; with D at least K, a linear layer can map each to any vector."""
    generator = torch.Generator().manual_seed(SEED)
    return torch.randn(units, width, generator=generator)


class UnitDataset(SpeechDataset):
    """Clips with audio only, whose visual input are the vectors of their units, some of them masked.

    Args:
        vectors: (K, D) of `unit_vectors`.
        hidden: share of frames whose units are masked in training, in spans of 10, as lips are ambiguous, too.
    """

    vectors: Tensor
    hidden: float = 0.0

    def visual_dataset(self, *_):
        """None: there are no crops."""

    def batch(self, indices: Sequence[int], epoch: int = 0) -> SpeechBatch:
        """The padded batch of several clips, without video."""
        lengths = torch.tensor([self.clips[index].num_frames for index in indices])
        batch = self.with_speech(Batch({}, lengths, {}, [self.clips[i].id for i in indices]), indices, epoch)
        visual = [self._masked_units(index, epoch) for index in indices]
        batch.visual = pad_sequence(visual, batch_first=True)
        return batch

    def _masked_units(self, index: int, epoch: int) -> Tensor:
        """The visual input (T, 2D) of a clip."""
        units = self.features[index].units
        vectors = self.vectors[units].unflatten(0, (-1, UNITS_PER_FRAME)).flatten(1)
        rng = np.random.default_rng((self.seed, epoch, index, 3))
        for start in rng.integers(0, len(vectors), round(self.hidden * len(vectors) / SPAN)):
            vectors[start : start + SPAN] = 0
        return vectors
