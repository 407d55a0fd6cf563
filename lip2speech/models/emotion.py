"""How a voice is to feel: a pull towards one style and away from the others (EmoDubber, Cong et al. 2025).

EmoDubber adds to the velocity of its flow the gradient of a classifier, a positive strength times that of the wanted
emotion and a negative strength times that of all others:

    v <- v + gamma (alpha grad log p(wanted | x) - beta grad log p(others | x))

Here the classifier is a `Listener` whose words are emotions, and the gradient moves the flow as a text does
(`lip2speech.models.pull`): once, at its beginning, by alpha + beta lengths of the flow's own correction. With both at 0
nothing is changed.
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
        wanted = class_of(listener, emotion.name)
        classes = torch.full(shape, wanted, device=device)
        super().__init__(listener, classes, torch.ones(shape, device=device), emotion.alpha + emotion.beta)
        self.emotion = emotion

    def wanted(self, log_probs: Tensor, classes: Tensor) -> Tensor:
        """(B, N) alpha log p(wanted) - beta log p(any other emotion), of log-probabilities (B, N, V)."""
        own = super().wanted(log_probs, classes)
        number = int(classes.flatten()[0])
        others = [place for place in range(1, log_probs.shape[-1]) if place != number]
        rivals = log_probs[..., others].logsumexp(-1) if others else torch.zeros_like(own)
        return self.emotion.alpha * own - self.emotion.beta * rivals


class Pulls:
    """Several pulls at once: a flow is moved by their sum."""

    def __init__(self, pulls: Sequence[TextPull]):
        self.pulls = pulls

    def __call__(self, end: Tensor, correction: Tensor, mask: Tensor, back: Back | None = None) -> Tensor:
        """As `TextPull`."""
        return sum((pull(end, correction, mask, back) for pull in self.pulls), torch.zeros_like(end))


def class_of(listener: Listener, name: str) -> int:
    """The class of an emotion. Raises VsrError bad_options, with those that there are."""
    number = listener.class_of(name)
    if number is None:
        known = ", ".join(sorted(listener.config.words))
        raise VsrError("bad_options", f"this voice does not know the emotion '{name}': it can be {known}")
    return number
