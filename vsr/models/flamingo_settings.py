"""Settings of Whisper-Flamingo (`vsr.models.flamingo`): front end, identity encoder, and head."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vsr.core.numbers import COUNT, NOT_NEGATIVE
from vsr.data.modalities import SOUND, VIDEO, WAVE
from vsr.models.flamingo import FlamingoHead, LipsAndWhisper
from vsr.models.limits import check_sizes
from vsr.models.lip_parts import LipParts
from vsr.models.registry import FRONTENDS, HEADS
from vsr.models.whisper_head import NOT_GIVEN, WhisperHeadSettings, whisper_on_meta


@FRONTENDS.register("lips_and_whisper")
@dataclass(frozen=True)
class LipsAndWhisperSettings(LipParts):
    """``video`` and ``encoder``: a front end and an encoder of lips, {kind: ..., settings}, of width ``dim``;
    ``weights``: the model folder of such a lip reader, with which training begins; ``backbone``: Whisper's folder;
    ``sizes``: by default those of the backbone; ``sha256``: hashes of its files, which training fills in."""

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
        c, whisper = self, whisper_on_meta(self.backbone, self.sizes)
        if dim != c.dim + 2 * whisper.config.d_model:
            widths = f"frontend.dim, {c.dim}, and twice Whisper's width, {whisper.config.d_model}"
            raise ValueError(f"dim is {dim}: it must be {c.dim + 2 * whisper.config.d_model}, the sum of {widths}")
        return LipsAndWhisper(*self.built_parts(), c.dim, whisper, c.backbone, dict(c.sha256))


@HEADS.register("flamingo")
@dataclass(frozen=True)
class FlamingoSettings(WhisperHeadSettings):
    """Settings of `FlamingoHead`; ``hidden`` 0: four times Whisper's width."""

    hidden: int = 0

    def __post_init__(self):
        super().__post_init__()
        check_sizes(self, hidden=NOT_NEGATIVE)

    def build(self, dim: int, vocab_size: int) -> FlamingoHead:
        c = self
        whisper = whisper_on_meta(c.backbone, c.sizes)
        hashes = dict(c.sha256)
        return FlamingoHead(whisper, dim, c.hidden, self.tokenizer(None), c.prefix, c.backbone, hashes, c.beams)
