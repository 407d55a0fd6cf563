"""A fusion that also embeds lips and sound in a shared space, for the objective "contrast".

Shapes: B clips, T frames, D width; video, sound (B, T, D); mask (B, T).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.numbers import COUNT, NOT_NEGATIVE
from vsr.models.landmarks import TrackConvolution
from vsr.models.limits import check_sizes
from vsr.models.registry import FUSIONS, settings_of, split_kind


class Embedding(nn.Module):
    """Features and mask -> embeddings (B, T, W) of unit length: convolutions over time, then a linear layer."""

    def __init__(self, dim: int, width: int, layers: int, kernel: int, dropout: float):
        super().__init__()
        self.enter = nn.Linear(dim, width)
        self.convolutions = nn.ModuleList(TrackConvolution(width, kernel, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.enter(x)
        for convolution in self.convolutions:
            x = convolution(x, mask)
        return F.normalize(self.out(self.norm(x)), dim=-1)


class ContrastiveFusion(nn.Module):
    """Returns the output of its ``inner`` fusion; ``pair`` embeds the two streams."""

    def __init__(self, dim: int, inner: nn.Module, settings: ContrastSettings):
        super().__init__()
        c = self.settings = settings
        self.inner = inner
        self.see = Embedding(dim, c.width, c.layers, c.kernel, c.dropout)
        self.hear = Embedding(dim, c.width, c.layers, c.kernel, c.dropout)
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.bias = nn.Parameter(torch.tensor(-3.0))

    def forward(self, video: Tensor, sound: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        joined, scores = self.inner(video, sound, mask)
        return (joined + self._nothing() if self.training else joined), scores

    def _nothing(self) -> Tensor:
        """0 times the parameters that only the contrast trains, which then have a gradient in every batch."""
        parameters = (self.scale, self.bias, *self.see.parameters(), *self.hear.parameters())
        return sum((0 * parameter.sum() for parameter in parameters), start=self.scale.new_zeros(()))

    def pair(self, video: Tensor, sound: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (B, T, W) of either stream."""
        return self.see(video, mask), self.hear(sound, mask)


@FUSIONS.register("contrast")
@dataclass(frozen=True)
class ContrastSettings:
    """Settings of the embeddings and of the losses of the objective "contrast".

    Args:
        inner: the fusion whose features the encoder reads.
        width, layers, kernel, dropout: of the embeddings.
        synchrony: weight of telling synchronous sound from sound that is shifted by ``shift`` frames (least, greatest)
            or is that of another clip (CoGenAV).
        cross: weight of InfoNCE between the frames of the two streams; ``standard`` False leaves the positive out of
            the denominator (MONA as published).
        supervised: weight of the supervised contrast of both streams, by the tokens of the frames.
        tau: temperature of ``cross`` and ``supervised``.
        frames: greatest number of frames of a batch that these two compare, drawn at random.
        warp: the sound is another recording of the sentence: dynamic time warping of the embeddings aligns its frames
            with those of the lips.
    """

    inner: Any = "concat"
    width: int = 128
    layers: int = 2
    kernel: int = 5
    dropout: float = 0.1
    synchrony: float = 1.0
    shift: tuple[int, int] = (5, 25)
    cross: float = 0.0
    supervised: float = 0.0
    tau: float = 0.1
    standard: bool = True
    frames: int = 512
    warp: bool = False

    joins = "features"

    def __post_init__(self):
        object.__setattr__(self, "shift", tuple(self.shift))
        check_sizes(self, width=COUNT, layers=NOT_NEGATIVE, kernel=COUNT, frames=COUNT)
        kind = split_kind(self.inner, "inner")[0]
        object.__setattr__(self, "inner", {"kind": kind, **asdict(self._inner())})
        if len(self.shift) != 2 or not 0 < self.shift[0] <= self.shift[1]:
            raise ValueError(f"shift is {list(self.shift)}: give the least and the greatest number of frames")
        if self.tau <= 0 or min(self.synchrony, self.cross, self.supervised) < 0:
            raise ValueError("tau is above 0, and no weight is negative")

    def _inner(self) -> Any:
        kind, settings = split_kind(self.inner, "inner")
        if FUSIONS[kind].joins != "features" or kind == "contrast":
            raise ValueError(f"the inner fusion is {kind}; it must join features")
        return settings_of(FUSIONS, kind, settings)

    def build(self, dim: int) -> nn.Module:
        return ContrastiveFusion(dim, self._inner().build(dim), self)


@contextmanager
def streams_kept(fusion: nn.Module) -> Iterator[list[tuple[Tensor, Tensor, Tensor]]]:
    """Context with a list of the inputs of the fusion: (video, sound, mask) of each call."""
    calls: list[tuple[Tensor, Tensor, Tensor]] = []
    handle = fusion.register_forward_pre_hook(lambda module, args: calls.append(args))
    try:
        yield calls
    finally:
        handle.remove()
