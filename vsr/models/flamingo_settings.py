"""The settings of Whisper with lips (`vsr.models.flamingo`): front end, encoder that changes nothing, and head."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, NOT_NEGATIVE
from vsr.data.manifest import Clip
from vsr.data.modalities import SOUND, VIDEO, WAVE
from vsr.data.targets import TOKENS, Target
from vsr.models.flamingo import WHISPER, FlamingoHead, LipsAndWhisper
from vsr.models.heads import HeadSettings
from vsr.models.lengths import zero_padding
from vsr.models.limits import check_sizes
from vsr.models.lip_parts import LipParts
from vsr.models.registry import ENCODERS, FRONTENDS, HEADS
from vsr.models.text_backbone import config_of, load_hub_tokenizer, of_sizes
from vsr.text.hub_tokenizer import HubTokenizer

NOT_GIVEN = "Whisper needs a backbone, its local folder, or sizes with which --dry-run builds it"
PREFIX = ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>")


def _on_meta(backbone: str, sizes: dict[str, Any]) -> Any:
    """A Whisper of such sizes, or of a folder's, without weights. Raises VsrError."""
    known = dict(sizes or config_of(backbone).to_dict())
    if known.get("model_type") != "whisper":
        raise VsrError(
            "bad_config", f"{backbone or 'sizes'}: a model of type {known.get('model_type')}, and no Whisper"
        )
    with torch.device("meta"):
        return of_sizes(known, WHISPER)


class Unchanged(nn.Module):
    """Features (B, T, D), mask (B, T) -> the same, zero on padding."""

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return zero_padding(features, mask)


@ENCODERS.register("none")
@dataclass(frozen=True)
class NoEncoderSettings:
    """Where the front end gives states already."""

    def build(self, dim: int) -> nn.Module:
        return Unchanged()


@FRONTENDS.register("lips_and_whisper")
@dataclass(frozen=True)
class LipsAndWhisperSettings(LipParts):
    """``video`` and ``encoder``: a front end and an encoder of lips, {kind: ..., settings}, of width ``dim``;
    ``weights``: the model folder of such a reader, with which training begins; ``backbone``: Whisper's folder, whose
    ``sizes`` are read from it where they are not given, and whose ``sha256`` training fills in."""

    backbone: str = ""
    video: Any = field(default="video_transformer")
    encoder: Any = field(default="conformer")
    dim: int = 192
    weights: str = ""
    sizes: dict[str, Any] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    reads = (VIDEO, SOUND)
    form = WAVE

    def __post_init__(self):
        check_sizes(self, dim=COUNT)
        if not self.backbone and not self.sizes:
            raise ValueError(NOT_GIVEN)
        self.complete_parts()

    def build(self, dim: int) -> LipsAndWhisper:
        c, whisper = self, _on_meta(self.backbone, self.sizes)
        if dim != c.dim + 2 * whisper.config.d_model:
            wanted = f"frontend.dim, {c.dim}, and twice Whisper's width, {whisper.config.d_model}"
            raise ValueError(f"dim is {dim}: it must be {c.dim + 2 * whisper.config.d_model}, the sum of {wanted}")
        return LipsAndWhisper(*self.built_parts(), c.dim, whisper, c.backbone, dict(c.sha256))


@HEADS.register("flamingo")
@dataclass(frozen=True)
class FlamingoSettings(HeadSettings):
    """As `FlamingoHead`; ``backbone``, ``sizes`` and ``sha256`` as of the front end; ``hidden`` 0 is four times
    Whisper's width."""

    backbone: str = ""
    hidden: int = 0
    prefix: tuple[str, ...] = PREFIX
    beams: int = 4
    sizes: dict[str, Any] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "prefix", tuple(self.prefix))
        check_sizes(self, hidden=NOT_NEGATIVE, beams=COUNT)
        if not self.backbone and not self.sizes:
            raise ValueError(NOT_GIVEN)

    def tokenizer(self, shared: Any) -> HubTokenizer:
        """Whisper's own, which is opened when it is needed."""
        return HubTokenizer(partial(load_hub_tokenizer, self.backbone), int(self.sizes.get("vocab_size", 0)))

    def targets(self, clip: Clip, frames: int, tokenizer: HubTokenizer) -> dict[str, Target]:
        """``tokens`` (U,) of the text without its end."""
        return {TOKENS: Target(np.array(tokenizer.encode(clip.text), dtype=np.int64))}

    def build(self, dim: int, vocab_size: int) -> FlamingoHead:
        c = self
        whisper = _on_meta(c.backbone, c.sizes)
        hashes = dict(c.sha256)
        return FlamingoHead(whisper, dim, c.hidden, self.tokenizer(None), c.prefix, c.backbone, hashes, c.beams)
