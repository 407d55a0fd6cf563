"""Clips with text and without, on stored states, and batches of them in an order that only the seed decides."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

sys.path.insert(0, str(Path(__file__).parent))
from on_states import batch_of, stored
from rig_options import full_batches

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.data.manifest import Clip, read_manifest
from vsr.data.targets import Teacher
from vsr.modelstore.folder import LoadedModel

Pool = tuple[Sequence[Clip], Sequence[Tensor]]


@dataclass(frozen=True)
class Lists:
    """Clips with stored states; those of training lie in the order of the seed, and ``unlabelled`` has no text."""

    labelled: Pool
    unlabelled: Pool
    dev: Pool
    test: Pool

    @classmethod
    def of(cls, loaded: LoadedModel, keep: int, args: argparse.Namespace) -> "Lists":
        """The lists of the command line."""
        clips = [clip for clip in read_manifest(args.train) if clip.num_frames == 75 and clip.speaker == "s1"]
        clips = [clips[i] for i in np.random.default_rng(args.seed).permutation(len(clips))]
        dev, test = read_manifest(args.dev), read_manifest(args.test)
        states, *rest = (stored(loaded, part, keep, args.states) for part in (clips, dev, test))
        count = args.labelled
        without_text = [replace(clip, text="", words=(), phones=()) for clip in clips[count:]]
        labelled = (clips[:count], states[:count])
        return cls(labelled, (without_text, states[count:]), (dev, rest[0]), (test, rest[1]))


def shuffled_batches(pool: Pool, size: int, seed: int, teacher: Teacher) -> Iterator[Batch]:
    """Endless batches of clips, shuffled every epoch."""
    clips, states = pool
    for epoch in range(10**9):
        order = np.random.default_rng((seed, epoch)).permutation(len(clips)).tolist()
        for number, chosen in enumerate(full_batches(order, size)):
            rng = np.random.default_rng((seed, epoch, number * size))
            yield batch_of([clips[i] for i in chosen], [states[i] for i in chosen], teacher, rng)


def concatenated(first: Batch, second: Batch) -> Batch:
    """Concatenates two batches of clips of equal length."""
    inputs = {name: torch.cat([tensor, second.inputs[name]]) for name, tensor in first.inputs.items()}
    tokens = pad_sequence([*first.tokens, *second.tokens], True, IGNORE)
    targets = {"tokens": tokens, "frame_tokens": torch.cat([first.frame_tokens, second.frame_tokens])}
    return Batch(inputs, torch.cat([first.lengths, second.lengths]), targets, first.ids + second.ids)


def seeded(batches: Iterator[Batch], seed: int) -> Iterator[Batch]:
    """The same batches; random choices within a step depend only on its number, in every arm."""
    for step, batch in enumerate(batches):
        torch.manual_seed(seed * 100_000 + step)
        yield batch
