"""Emotion of synthesised speech: a pull towards one emotion and away from the others (EmoDubber, Cong et al. 2025).

EmoDubber adds to the velocity of its flow the gradient of a classifier, a positive strength times that of the wanted
emotion and a negative strength times that of all others:

    v <- v + gamma (alpha grad log p(wanted | x) - beta grad log p(others | x))

Here the classifier is a `Listener` whose words are emotions, and its gradient moves the flow as that of a text does
(`lip2speech.models.pull`): once, at the start, by alpha + beta lengths of the flow's own correction. With both at 0 it
has no effect.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lip2speech.models.emotion_options import Emotion
from lip2speech.models.listener import Listener
from lip2speech.models.pull import Back, TextPull
from vsr.core.errors import VsrError


class EmotionPull(TextPull):
    """Pulls all steps of a batch towards an emotion; ``shape``: (B, N) of the batch."""

    def __init__(self, listener: Listener, emotion: Emotion, shape: tuple[int, int], device="cpu"):
        number = class_of(listener, emotion.name)
        classes = torch.full(shape, number, device=device)
        super().__init__(listener, classes, torch.ones(shape, device=device), emotion.alpha + emotion.beta)
        self.emotion = emotion

    def objective(self, log_probs: Tensor, classes: Tensor) -> Tensor:
        """(B, N) alpha log p(wanted) - beta log p(any other emotion), of log-probabilities (B, N, V)."""
        log_prob = super().objective(log_probs, classes)
        number = int(classes.flatten()[0])
        other_classes = [index for index in range(1, log_probs.shape[-1]) if index != number]
        others_log_prob = log_probs[..., other_classes].logsumexp(-1) if other_classes else torch.zeros_like(log_prob)
        return self.emotion.alpha * log_prob - self.emotion.beta * others_log_prob


class Pulls:
    """Several pulls at once: a flow is moved by their sum."""

    def __init__(self, pulls: Sequence[TextPull]):
        self.pulls = pulls

    def __call__(self, end: Tensor, correction: Tensor, mask: Tensor, back: Back | None = None) -> Tensor:
        """As in `TextPull`."""
        return sum((pull(end, correction, mask, back) for pull in self.pulls), torch.zeros_like(end))


def class_of(listener: Listener, name: str) -> int:
    """The class of an emotion. Raises VsrError bad_options, which lists the known emotions."""
    number = listener.class_of(name)
    if number is None:
        names = ", ".join(sorted(listener.config.words))
        raise VsrError("bad_options", f"this voice does not know the emotion '{name}': it can be {names}")
    return number
