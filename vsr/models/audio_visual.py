"""The audio-visual front end: a front end for each stream and a fusion, for one shared encoder.

Where a clip lacks a stream, a learned vector takes the place of its features in each frame. So one model reads lips,
sound, or both (Shi et al. 2022), if it was trained with modality dropout (`vsr.data.audio_visual`).

Shapes: B batch, T video frames, D width; streams are `vsr.models.streams.Streams` or video alone, (B, T, 1, 88, 88).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from vsr.core.errors import VsrError
from vsr.data.modalities import SOUND, VIDEO
from vsr.models.registry import FRONTENDS, FUSIONS, Part, reads_of, settings_of, sound_form_of, split_kind
from vsr.models.streams import Inputs, streams_of

READ = (VIDEO, SOUND)
TOGETHER = (
    "the model was trained on lips and sound together alone, and was given one of them: vsr transcribe and vsr decode "
    "give both"
)


class AudioVisual(nn.Module):
    """Streams, mask (B, T) -> (B, T, D), zero on padding.

    Args:
        dim: D.
        parts: modality -> its front end.
        fusion: joins the two.
        frozen: modalities whose front ends are not trained and stay in evaluation mode.
        whole: the model was trained only on clips with both streams, and refuses clips that lack one.
    """

    def __init__(
        self, dim: int, parts: dict[str, nn.Module], fusion: nn.Module, frozen: tuple[str, ...] = (),
        whole: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.whole = whole
        self.streams = nn.ModuleDict(parts)
        self.fusion = fusion
        self.missing = nn.ParameterDict({name: nn.Parameter(torch.zeros(dim)) for name in parts})
        self.frozen = frozen
        for name in frozen:
            self.streams[name].requires_grad_(False)

    def train(self, mode: bool = True) -> AudioVisual:
        """Training mode, except for frozen front ends."""
        super().train(mode)
        for name in self.frozen:
            self.streams[name].eval()
        return self

    def forward(self, inputs: Inputs, mask: Tensor) -> Tensor:
        return self.joined(inputs, mask)[0]

    def joined(self, inputs: Inputs, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Features (B, T, D), and the reliability of each frame of either stream, (B, T), if the fusion estimates it.

        Raises VsrError bad_config where a clip lacks a stream and the model is ``whole``.
        """
        streams = streams_of(inputs)
        clips, device = len(mask), mask.device
        if self.whole and not all(bool(streams.has(name, clips, device).all()) for name in READ):
            raise VsrError("bad_config", TOGETHER)
        features = {
            name: self._stream(name, streams.inputs.get(name), streams.has(name, clips, device), mask)
            for name in READ
        }  # fmt: skip
        return self.fusion(features[VIDEO], features[SOUND], mask)

    def _stream(self, name: str, inputs: Tensor | None, present: Tensor, mask: Tensor) -> Tensor:
        """The features of one stream, (B, T, D); its front end reads only the clips that have it.

        In training it reads one clip if none has the stream, so that every parameter has a gradient, which is 0.
        """
        absent = self.missing[name].expand(*mask.shape, -1)
        if inputs is None:
            return absent * mask[..., None]
        rows = present.nonzero()[:, 0]
        read_rows = rows if len(rows) or not self.training else present.new_zeros(1, dtype=torch.long)
        if not len(read_rows):
            return absent * mask[..., None]
        with torch.set_grad_enabled(torch.is_grad_enabled() and name not in self.frozen):
            features = self.streams[name](inputs[read_rows], mask[read_rows])
        placed = torch.zeros_like(absent, dtype=features.dtype).index_copy(0, read_rows, features)
        return torch.where(present[:, None, None], placed, absent.to(features.dtype) + 0 * placed) * mask[..., None]


@FRONTENDS.register("audio_visual")
@dataclass(frozen=True)
class AudioVisualSettings:
    """``video`` and ``sound`` are front ends, ``fusion`` a kind of fusion, each {kind: ..., its settings} or a name;
    ``frozen`` names those of the two that are not trained; ``whole``: neither stream may be missing."""

    video: Any = "video_transformer"
    sound: Any = "mel"
    fusion: Any = "concat"
    frozen: tuple[str, ...] = field(default=())
    whole: bool = False
    reads = READ

    def __post_init__(self):
        object.__setattr__(self, "frozen", tuple(self.frozen))
        for name in READ:
            if (read := reads_of(self.part(name))) != name:
                raise ValueError(f"the front end of {name} in audio_visual reads {read}")
            self._complete(name, self.part(name))
        self._complete("fusion", self._fusion())
        if unknown := sorted(set(self.frozen) - set(READ)):
            raise ValueError(f"frozen names '{unknown[0]}'; it can be {' or '.join(READ)}")

    def _complete(self, name: str, settings: Any) -> None:
        """Store all settings of a part, with defaults, so that a stored model does not depend on them."""
        kind = split_kind(getattr(self, name), name)[0]
        object.__setattr__(self, name, {"kind": kind, **asdict(settings)})

    @property
    def form(self) -> str:
        """The form of sound that its front end reads."""
        return sound_form_of(self.part(SOUND))

    def part(self, name: str) -> Part:
        """The settings of one of the two front ends."""
        kind, settings = split_kind(getattr(self, name), name)
        return settings_of(FRONTENDS, kind, settings)

    def _fusion(self) -> Any:
        kind, settings = split_kind(self.fusion, "fusion")
        if FUSIONS[kind].joins != "features":
            raise ValueError(f"the fusion {kind} joins whole readers (vsr fuse), and no features")
        return settings_of(FUSIONS, kind, settings)

    def build(self, dim: int) -> nn.Module:
        parts = {name: self.part(name).build(dim) for name in READ}
        return AudioVisual(dim, parts, self._fusion().build(dim), self.frozen, self.whole)
