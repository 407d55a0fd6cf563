"""The condition `text` of the content model and the flow: the words of a clip with their times.

Token ids: 0 unknown, 1 silence, words or characters from 2 on.

Shapes: B batch, N steps of 50 Hz, W width of the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.conditions.layers import zeroed
from lip2speech.conditions.registry import CONDITIONS, CONTENT, FLOW
from vsr.core.clock import UNIT_RATE
from vsr.core.numbers import COUNT, NOT_NEGATIVE, SHARE, check_numbers
from vsr.data.manifest import Clip

UNKNOWN, SILENCE, FIRST = 0, 1, 2
CHARACTERS = " abcdefghijklmnopqrstuvwxyz'0123456789"
ALIGNED = 4  # numbers per step: token, whether its first step, whether its last step, relative position in it


@CONDITIONS.register("text")
@dataclass(frozen=True)
class AlignedText:
    """Words with their times. Clips whose words are not known have no condition.

    Args:
        words: the closed vocabulary; without it, characters, which divide a word's time evenly.
        drop: share of training clips without text.
        wrong: share of words that are replaced by others in training, so that the model does not ignore the lips.
        jitter: largest shift of all words in training, steps.
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
        """Number of tokens."""
        return FIRST + len(self.words or CHARACTERS)

    def tokens(self, word: str) -> list[int]:
        """The tokens of a word; empty where it is not in the vocabulary."""
        if self.words:
            return [FIRST + self.words.index(word.lower())] if word.lower() in self.words else []
        return characters(word)

    def load(self, clip: Clip, steps: int) -> np.ndarray:
        """The condition (steps, 4) of a clip's words."""
        track = np.zeros((steps, ALIGNED), np.float32)
        track[:, 0] = SILENCE if clip.words else UNKNOWN
        for word, start, end in clip.words:
            first, last = round(start * UNIT_RATE), max(round(end * UNIT_RATE), round(start * UNIT_RATE) + 1)
            tokens = self.tokens(word)
            track[first:last, 0] = UNKNOWN
            edges = np.linspace(first, last, len(tokens) + 1).round().astype(int)
            for token, begin, stop in zip(tokens, edges[:-1], edges[1:], strict=True):
                _write_token(track, token, int(begin), int(stop))
        return track

    def build(self, dim: int) -> nn.Module:
        """Build its module for a network of width W."""
        return Aligned(self, dim)


def characters(text: str) -> list[int]:
    """Tokens of the letters, digits, spaces and apostrophes of a text."""
    return [FIRST + CHARACTERS.index(character) for character in text.lower() if character in CHARACTERS]


def _write_token(track: np.ndarray, token: int, begin: int, stop: int) -> None:
    """Write a token from step ``begin`` to ``stop``, within the length of the clip."""
    steps = np.arange(max(0, begin), min(stop, len(track)))
    track[steps, 0] = token
    track[steps, 1], track[steps, 2] = steps == begin, steps == stop - 1
    track[steps, 3] = (steps - begin + 0.5) / max(1, stop - begin)


class Aligned(nn.Module):
    """Embedding and position in the token, two convolutions, and a projection initialised to zero."""

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
        is_known = (ids != UNKNOWN)[..., None]
        x = torch.cat([self.token(ids), value[..., 1:].to(query.dtype)], -1)
        for convolution in self.convolutions:
            x = F.gelu(convolution((x * is_known).transpose(1, 2))).transpose(1, 2)
        return torch.where(is_known, self.project(x), self.null)

    def corrupted(self, value: Tensor) -> Tensor:
        """Replace some tokens by others, and shift each clip by some steps."""
        s, value = self.settings, value.clone()
        token, number = value[..., 0], value[..., 1].cumsum(1).long().clamp(max=value.shape[1] - 1)
        chance = torch.rand(value.shape[:2], device=value.device).gather(1, number)
        other = torch.randint(FIRST, s.size, value.shape[:2], device=value.device).gather(1, number)
        value[..., 0] = torch.where((token >= FIRST) & (chance < s.wrong), other.to(token), token)
        shifts = torch.randint(-s.jitter, s.jitter + 1, (len(value),)).tolist()
        return torch.stack([row.roll(shift, 0) for row, shift in zip(value, shifts, strict=True)])
