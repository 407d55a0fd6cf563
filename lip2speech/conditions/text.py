"""What is said, as a condition of the content model and the flow: `text`, its words at their times.

Numbers of tokens: 0 nothing is known, 1 nothing is said, the words or characters from 2 on.

Shapes: B batch, N steps of 50 Hz, W width of the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.conditions.registry import CONDITIONS, CONTENT, FLOW
from vsr.core.clock import UNIT_RATE
from vsr.core.numbers import COUNT, NOT_NEGATIVE, SHARE, check_numbers
from vsr.data.manifest import Clip

UNKNOWN, SILENCE, FIRST = 0, 1, 2
CHARACTERS = " abcdefghijklmnopqrstuvwxyz'0123456789"
ALIGNED = 4  # numbers a step: token, first step of a token, last step, how far through it


@CONDITIONS.register("text")
@dataclass(frozen=True)
class AlignedText:
    """Words at their times. Where a clip's words are not known nothing is shown.

    Args:
        words: the closed list of them; without one, characters, which share a word's time evenly.
        drop: share of training clips without text.
        wrong: share of words that another one stands for in training, so that the lips keep their say.
        jitter: steps by which all may be early or late in training.
        embedding, kernel: of the token's vector and of two convolutions over it.
    """

    words: tuple[str, ...] = ()
    drop: float = 0.3
    wrong: float = 0.1
    jitter: int = 1
    embedding: int = 64
    kernel: int = 5
    width = ALIGNED
    per_frame = True
    places = (CONTENT, FLOW)
    spoken = True

    def __post_init__(self):
        object.__setattr__(self, "words", tuple(self.words))
        check_numbers(self, "text.", drop=SHARE, wrong=SHARE, jitter=NOT_NEGATIVE, embedding=COUNT, kernel=COUNT)
        if self.kernel % 2 == 0:
            raise ValueError(f"text.kernel is {self.kernel}; it must be odd")

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return FIRST + len(self.words or CHARACTERS)

    def tokens(self, word: str) -> list[int]:
        """A word as tokens; none where it is not in the list."""
        if self.words:
            return [FIRST + self.words.index(word.lower())] if word.lower() in self.words else []
        return characters(word)

    def load(self, clip: Clip, steps: int) -> np.ndarray:
        """(steps, 4) of the words of a clip."""
        found = np.zeros((steps, ALIGNED), np.float32)
        found[:, 0] = SILENCE if clip.words else UNKNOWN
        for word, start, end in clip.words:
            first, last = round(start * UNIT_RATE), max(round(end * UNIT_RATE), round(start * UNIT_RATE) + 1)
            tokens = self.tokens(word)
            found[first:last, 0] = UNKNOWN
            edges = np.linspace(first, last, len(tokens) + 1).round().astype(int)
            for token, begin, stop in zip(tokens, edges[:-1], edges[1:], strict=True):
                _place(found, token, int(begin), int(stop))
        return found

    def build(self, dim: int) -> nn.Module:
        """Its module in a network of width W."""
        return Aligned(self, dim)


def characters(text: str) -> list[int]:
    """Tokens of the letters, digits, blanks and apostrophes of a text."""
    return [FIRST + CHARACTERS.index(own) for own in text.lower() if own in CHARACTERS]


def _place(found: np.ndarray, token: int, begin: int, stop: int) -> None:
    """Write one token from step ``begin`` to ``stop``, as far as the clip goes."""
    inside = np.arange(max(0, begin), min(stop, len(found)))
    found[inside, 0] = token
    found[inside, 1], found[inside, 2] = inside == begin, inside == stop - 1
    found[inside, 3] = (inside - begin + 0.5) / max(1, stop - begin)


class Aligned(nn.Module):
    """Embedding and place in the token, two convolutions, and a projection that begins at zero."""

    def __init__(self, settings: AlignedText, dim: int):
        super().__init__()
        self.settings = s = settings
        self.token = nn.Embedding(s.size, s.embedding)
        width = s.embedding + ALIGNED - 1
        self.convolutions = nn.ModuleList(nn.Conv1d(width, width, s.kernel, padding=s.kernel // 2) for _ in range(2))
        self.null, self.project = nn.Parameter(torch.zeros(dim)), zeroed(nn.Linear(width, dim))

    def forward(self, value: Tensor | None, keep: Tensor, query: Tensor) -> Tensor:
        """value (B, N, 4), keep (B,), query (B, N, W) -> (B, N, W)."""
        if value is None:
            return self.null.expand_as(query)
        value = self.corrupted(value) if self.training else value
        ids = value[..., 0].long() * keep[:, None]
        known = (ids != UNKNOWN)[..., None]
        x = torch.cat([self.token(ids), value[..., 1:].to(query.dtype)], -1)
        for convolution in self.convolutions:
            x = F.gelu(convolution((x * known).transpose(1, 2))).transpose(1, 2)
        return torch.where(known, self.project(x), self.null)

    def corrupted(self, value: Tensor) -> Tensor:
        """Some tokens replaced by others, and each clip earlier or later by some steps."""
        s, value = self.settings, value.clone()
        token, number = value[..., 0], value[..., 1].cumsum(1).long().clamp(max=value.shape[1] - 1)
        chosen = torch.rand(value.shape[:2], device=value.device).gather(1, number)
        other = torch.randint(FIRST, s.size, value.shape[:2], device=value.device).gather(1, number)
        value[..., 0] = torch.where((token >= FIRST) & (chosen < s.wrong), other.to(token), token)
        shifts = torch.randint(-s.jitter, s.jitter + 1, (len(value),)).tolist()
        return torch.stack([own.roll(shift, 0) for own, shift in zip(value, shifts, strict=True)])


def zeroed(layer: nn.Linear) -> nn.Linear:
    """The layer with weights that give zero."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
