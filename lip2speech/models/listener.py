"""A small network that recognises words in mels; its gradient pulls a mel towards given words.

Shapes: B batch, N steps of 50 Hz, P = 160 (a pair of normalised mel frames), V classes: 0 is no word, the words follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lip2speech.models.content import PAIR
from vsr.core.numbers import COUNT
from vsr.media.mel import NUM_MELS
from vsr.models.limits import DROPPED, check_sizes

SILENCE = 0  # the class of a step without a word
DILATIONS = (1, 2, 3, 1)


@dataclass(frozen=True)
class ListenerConfig:
    """Hyperparameters of a listener; ``words``: its vocabulary, in the order of its classes from 1 on."""

    words: tuple[str, ...] = ()
    dim: int = 128
    kernel: int = 5
    dropout: float = 0.1

    def __post_init__(self):
        check_sizes(self, dim=COUNT, kernel=COUNT, dropout=DROPPED)
        if not self.words or len(set(self.words)) < len(self.words) or not all(type(w) is str for w in self.words):
            raise ValueError("words must be given, each once")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel is {self.kernel}; it must be odd")


class Layer(nn.Module):
    """Residual convolution over time."""

    def __init__(self, config: ListenerConfig, dilation: int):
        super().__init__()
        self.norm = nn.LayerNorm(config.dim)
        reach = dilation * (config.kernel - 1) // 2
        self.convolution = nn.Conv1d(config.dim, config.dim, config.kernel, padding=reach, dilation=dilation)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """x (B, N, W), real (B, N, 1): 1 on real steps, else 0 -> (B, N, W)."""
        convolved = self.convolution((self.norm(x) * real).transpose(1, 2)).transpose(1, 2)
        return x + self.dropout(nn.functional.gelu(convolved))


class Listener(nn.Module):
    """Classifies the word of each step of mel pairs.

    The mels are normalised with the statistics of the voice that the listener belongs to.
    """

    def __init__(self, config: ListenerConfig):
        super().__init__()
        self.config = config
        self.input = nn.Linear(PAIR, config.dim)
        self.layers = nn.ModuleList(Layer(config, dilation) for dilation in DILATIONS)
        self.norm = nn.LayerNorm(config.dim)
        self.output = nn.Linear(config.dim, 1 + len(config.words))
        self.register_buffer("mel_mean", torch.zeros(NUM_MELS))
        self.register_buffer("mel_deviation", torch.ones(NUM_MELS))
        self._classes = {word: number for number, word in enumerate(config.words, 1)}

    def forward(self, pairs: Tensor, mask: Tensor) -> Tensor:
        """pairs (B, N, P), mask (B, N) True on real steps -> logits (B, N, V)."""
        real = mask[..., None].to(pairs.dtype)
        x = self.input(pairs * real)
        for layer in self.layers:
            x = layer(x, real)
        return self.output(self.norm(x))

    def class_of(self, word: str) -> int | None:
        """The class of a word; None where it is not in the vocabulary."""
        return self._classes.get(word)

    def loss(self, batch) -> dict[str, Tensor]:
        """Cross-entropy of a `lip2speech.training.listener_data.ListenerBatch`, with label smoothing .05."""
        logits = self(batch.pairs, batch.classes >= 0).float()
        loss = nn.functional.cross_entropy(logits.transpose(1, 2), batch.classes, ignore_index=-1, label_smoothing=0.05)
        share = batch.share("steps")
        return {"loss": loss * share}
