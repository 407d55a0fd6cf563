"""Conditions of a voice from the words that are known at inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lip2speech.conditions.registry import Condition
from lip2speech.conditions.traits import is_spoken
from lip2speech.models.pull import SpokenWord
from vsr.data.manifest import Clip


def conditions_of_words(
    conditions: Mapping[str, Condition],
    word_lists: Sequence[Sequence[SpokenWord]],
    steps: Sequence[int],
    device: torch.device,
) -> dict[str, Tensor]:
    """Name -> (B, N, C) or (B, U, C) of the conditions from words.

    Args:
        conditions: of the voice, by name.
        word_lists: for each clip its words, with times in seconds after its first frame; empty: no words are known.
        steps: number of 50 Hz steps of each clip.
    """
    clips = [Clip("said", "", " ".join(word.word for word in words), words=_times(words)) for words in word_lists]
    features = {}
    for name, condition in conditions.items():
        if is_spoken(condition):
            values = [torch.from_numpy(condition.load(clip, n)) for clip, n in zip(clips, steps, strict=True)]
            features[name] = pad_sequence(values, batch_first=True).to(device)
    return features


def unknown_words(conditions: Mapping[str, Condition], words: Sequence[str]) -> list[str]:
    """The words that no condition from words knows; one without a closed vocabulary spells any."""
    closed = [getattr(condition, "words", ()) for condition in conditions.values() if is_spoken(condition)]
    return [word for word in words if all(known and word.lower() not in known for known in closed)]


def _times(words: Sequence[SpokenWord]) -> tuple[tuple[str, float, float], ...]:
    return tuple((word.word, max(0.0, word.start), max(0.0, word.start, word.end)) for word in words)
