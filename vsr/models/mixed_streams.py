"""A stream that is lips or sound in each frame: the front end of MixSpeech.

MixSpeech (Cheng et al. 2023) mixes the features of both over time, and lowers the share of the sound while it trains.
The mixed stream has the frames of one clock, so nothing is aligned. In evaluation nothing is mixed: lips are read where
there are some, else sound. The objective is `vsr.objectives.mixspeech`.

Shapes: B batch, T video frames, D width.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vsr.core.numbers import COUNT, NOT_NEGATIVE, POSITIVE, SHARE
from vsr.data.modalities import SOUND, VIDEO
from vsr.models.audio_visual import READ, AudioVisual, AudioVisualSettings
from vsr.models.lengths import length_mask
from vsr.models.limits import check_sizes
from vsr.models.registry import FRONTENDS
from vsr.models.streams import Given, streams_of

SCHEDULES = ("linear", "uncertainty")
TARGETS = ("mixed", "sound")


@dataclass(frozen=True)
class Mixing:
    """How streams are mixed in training.

    ``start`` is the share of the frames that are heard at first; by the schedule "linear" it is ``end`` after so many
    ``steps``; by "uncertainty" it moves after each step by ``rate`` times how much the mean entropy of the tokens
    that the mixed stream gives is above ``entropy`` (nats). Frames are drawn in runs of ``span``. ``mixed`` is the
    weight of the mixed stream's own loss, ``kl`` that of the divergence of what lips alone give from what the
    "mixed" stream or the "sound" gives (``regularise``).
    """

    span: int = 5
    start: float = 0.8
    end: float = 0.2
    steps: int = 10000
    schedule: str = "linear"
    rate: float = 0.01
    entropy: float = 0.5
    mixed: float = 1.0
    kl: float = 1.0
    regularise: str = "mixed"

    def __post_init__(self):
        check_sizes(
            self, span=COUNT, start=SHARE, end=SHARE, steps=COUNT, rate=POSITIVE, entropy=NOT_NEGATIVE,
            mixed=NOT_NEGATIVE, kl=NOT_NEGATIVE,
        )  # fmt: skip
        for name, known in (("schedule", SCHEDULES), ("regularise", TARGETS)):
            if getattr(self, name) not in known:
                raise ValueError(f"mix.{name} is '{getattr(self, name)}'; it can be {' or '.join(known)}")

    def next_share(self, share: float, done: int, entropy: float) -> float:
        """The share of the sound after ``done`` steps, the last of which gave tokens of that mean entropy."""
        if self.schedule == "linear":
            return self.start + (self.end - self.start) * min(1.0, done / self.steps)
        return min(1.0, max(0.0, share + self.rate * (entropy - self.entropy)))


class MixedStreams(AudioVisual):
    """Streams, mask (B, T) -> (B, T, D), zero on padding: each frame is of lips or of sound.

    Args:
        dim: D.
        parts: modality -> its front end.
        mix: `Mixing`. How far the schedule is, ``done`` and ``share``, is stored with the weights.
        frozen: as of `AudioVisual`.
    """

    def __init__(self, dim: int, parts: dict[str, nn.Module], mix: Mixing, frozen: tuple[str, ...] = ()):
        super().__init__(dim, parts, nn.Identity(), frozen)
        self.mix = mix
        self.register_buffer("done", torch.zeros((), dtype=torch.long))
        self.register_buffer("share", torch.tensor(mix.start))
        self.heard: Tensor | None = None

    def drawn(self, lengths: Tensor, frames: int) -> Tensor:
        """(B, T) bool: the frames that are heard, in runs of ``span``, so many as the share says on average."""
        runs = -(-frames // self.mix.span)
        chosen = torch.rand(len(lengths), runs, device=lengths.device) < self.share.to(lengths.device)
        return chosen.repeat_interleave(self.mix.span, 1)[:, :frames] & length_mask(lengths, frames)

    @contextmanager
    def hearing(self, heard: Tensor) -> Iterator[None]:
        """While it is open, the frames that ``heard`` (B, T) marks are of sound and all others of lips."""
        self.heard = heard
        try:
            yield
        finally:
            self.heard = None

    def advance(self, entropy: float) -> None:
        """One step of training is over, in which the mixed stream gave tokens of that mean entropy."""
        self.done += 1
        self.share.fill_(self.mix.next_share(float(self.share), int(self.done), entropy))

    def joined(self, given: Given, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Features (B, T, D); nothing is known of how much either is relied on."""
        streams, (clips, device) = streams_of(given), (len(mask), mask.device)
        present = {name: streams.has(name, clips, device) for name in READ}
        heard = self.heard if self.heard is not None else ~present[VIDEO][:, None].expand_as(mask)
        heard = heard & present[SOUND][:, None]
        features = {name: self._stream(name, streams.inputs.get(name), present[name], mask) for name in READ}
        return torch.where(heard[..., None], features[SOUND].to(features[VIDEO].dtype), features[VIDEO]), {}


@FRONTENDS.register("mixed_streams")
@dataclass(frozen=True)
class MixedStreamsSettings(AudioVisualSettings):
    """``video``, ``sound`` and ``frozen`` as of `AudioVisualSettings`; ``mix``: of `Mixing`."""

    mix: Any = None

    def __post_init__(self):
        super().__post_init__()
        given = asdict(self.mix) if isinstance(self.mix, Mixing) else dict(self.mix or {})
        try:
            object.__setattr__(self, "mix", asdict(Mixing(**given)))
        except TypeError as error:
            raise ValueError(f"mix: {error}") from error

    def build(self, dim: int) -> nn.Module:
        parts = {name: self.part(name).build(dim) for name in READ}
        return MixedStreams(dim, parts, Mixing(**self.mix), self.frozen)
