"""The front end of MixSpeech: a stream of features that are from lips or from sound in each frame.

MixSpeech (Cheng et al. 2023) mixes the features of both over time, and lowers the share of sound during training. Both
have the same frame rate, so that no alignment is needed. In evaluation nothing is mixed: clips with video are read from
the lips, others from sound. The objective is `vsr.objectives.mixspeech`.

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
from vsr.models.streams import Inputs, streams_of

SCHEDULES = ("linear", "uncertainty")
TARGETS = ("mixed", "sound")


@dataclass(frozen=True)
class Mixing:
    """How streams are mixed in training.

    ``start`` is the initial share of sound frames. With the schedule "linear" it reaches ``end`` after ``steps``; with
    "uncertainty" each step changes it by ``rate`` * (H - ``entropy``), where H is the mean entropy (nats) of the token
    probabilities from the mixed stream. Frames are drawn in runs of ``span``. ``mixed`` is the weight of the loss of
    the mixed stream, ``kl`` that of the divergence between the predictions from lips alone and those from the stream
    ``regularise``: "mixed" or "sound".
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
        for name, allowed in (("schedule", SCHEDULES), ("regularise", TARGETS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"mix.{name} is '{getattr(self, name)}'; it can be {' or '.join(allowed)}")

    def next_share(self, share: float, done: int, entropy: float) -> float:
        """The share of sound after ``done`` steps; ``entropy``: mean token entropy (nats) of the last step."""
        if self.schedule == "linear":
            return self.start + (self.end - self.start) * min(1.0, done / self.steps)
        return min(1.0, max(0.0, share + self.rate * (entropy - self.entropy)))


class MixedStreams(AudioVisual):
    """Streams, mask (B, T) -> features (B, T, D), zero on padding, each frame from lips or from sound.

    Args:
        dim: D.
        parts: modality -> its front end.
        mix: `Mixing`. The state of the schedule, ``done`` and ``share``, is stored with the weights.
        frozen: as in `AudioVisual`.
    """

    def __init__(self, dim: int, parts: dict[str, nn.Module], mix: Mixing, frozen: tuple[str, ...] = ()):
        super().__init__(dim, parts, nn.Identity(), frozen)
        self.mix = mix
        self.register_buffer("done", torch.zeros((), dtype=torch.long))
        self.register_buffer("share", torch.tensor(mix.start))
        self.is_sound: Tensor | None = None

    def draw_sound_frames(self, lengths: Tensor, frames: int) -> Tensor:
        """Random sound frames (B, T) bool, in runs of ``span``; on average the share of sound."""
        runs = -(-frames // self.mix.span)
        is_sound = torch.rand(len(lengths), runs, device=lengths.device) < self.share.to(lengths.device)
        return is_sound.repeat_interleave(self.mix.span, 1)[:, :frames] & length_mask(lengths, frames)

    @contextmanager
    def with_sound_frames(self, is_sound: Tensor) -> Iterator[None]:
        """Context in which the frames marked in ``is_sound`` (B, T) are from sound and all others from lips."""
        self.is_sound = is_sound
        try:
            yield
        finally:
            self.is_sound = None

    def advance(self, entropy: float) -> None:
        """Update the schedule after a training step; ``entropy``: mean token entropy (nats) of the mixed stream."""
        self.done += 1
        self.share.fill_(self.mix.next_share(float(self.share), int(self.done), entropy))

    def joined(self, inputs: Inputs, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Features (B, T, D), and no reliabilities."""
        streams, (clips, device) = streams_of(inputs), (len(mask), mask.device)
        present = {name: streams.has(name, clips, device) for name in READ}
        is_sound = self.is_sound if self.is_sound is not None else ~present[VIDEO][:, None].expand_as(mask)
        is_sound = is_sound & present[SOUND][:, None]
        features = {name: self._stream(name, streams.inputs.get(name), present[name], mask) for name in READ}
        return torch.where(is_sound[..., None], features[SOUND].to(features[VIDEO].dtype), features[VIDEO]), {}


@FRONTENDS.register("mixed_streams")
@dataclass(frozen=True)
class MixedStreamsSettings(AudioVisualSettings):
    """``video``, ``sound`` and ``frozen`` as in `AudioVisualSettings`; ``mix``: settings of `Mixing`."""

    mix: Any = None

    def __post_init__(self):
        super().__post_init__()
        settings = asdict(self.mix) if isinstance(self.mix, Mixing) else dict(self.mix or {})
        try:
            object.__setattr__(self, "mix", asdict(Mixing(**settings)))
        except TypeError as error:
            raise ValueError(f"mix: {error}") from error

    def build(self, dim: int) -> nn.Module:
        parts = {name: self.part(name).build(dim) for name in READ}
        return MixedStreams(dim, parts, Mixing(**self.mix), self.frozen)
