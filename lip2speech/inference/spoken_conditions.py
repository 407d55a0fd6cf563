"""Conditions of a voice that are made of what is said, of the words that are known when it speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lip2speech.conditions.registry import Condition
from lip2speech.conditions.traits import is_spoken
from lip2speech.models.pull import Said
from vsr.data.manifest import Clip


def conditions_of_words(
    conditions: Mapping[str, Condition], said: Sequence[Sequence[Said]], steps: Sequence[int], device: torch.device
) -> dict[str, Tensor]:
    """Name -> (B, N, C) or (B, U, C) of the conditions that are made of what is said.

    Args:
        conditions: of the voice, by name.
        said: of each clip the words with their times, seconds after its first frame; none: nothing is known.
        steps: of each clip, at 50 Hz.
    """
    clips = [Clip("said", "", " ".join(w.word for w in own), words=_times(own)) for own in said]
    found = {}
    for name, condition in conditions.items():
        if is_spoken(condition):
            values = [torch.from_numpy(condition.load(clip, n)) for clip, n in zip(clips, steps, strict=True)]
            found[name] = pad_sequence(values, batch_first=True).to(device)
    return found


def _times(words: Sequence[Said]) -> tuple[tuple[str, float, float], ...]:
    return tuple((word.word, max(0.0, word.start), max(0.0, word.start, word.end)) for word in words)
