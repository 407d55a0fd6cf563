"""A CTC head over phonemes or visemes, beside heads over text. Shapes: D width, V vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vsr.data.manifest import Clip
from vsr.data.targets import FRAME_TOKENS, TOKENS, Target, text_targets
from vsr.models.heads import CTCHead, HeadSettings
from vsr.models.registry import HEADS
from vsr.text.pronounce import CMU, ESPEAK
from vsr.text.unit_tokenizers import UnitSettings, UnitTokenizer


class OwnTokensCTC(HeadSettings):
    """A CTC head with a tokenizer of its own, which subclasses give."""

    def targets(self, clip: Clip, frames: int, tokenizer: Any) -> dict[str, Target]:
        """``tokens`` of the text, and ``frame_tokens``."""
        targets = text_targets(clip, frames, tokenizer)
        return {name: targets[name] for name in (TOKENS, FRAME_TOKENS)}

    def build(self, dim: int, vocab_size: int) -> CTCHead:
        return CTCHead(dim, self.tokenizer(None).vocab_size)


@HEADS.register("unit_ctc")
@dataclass(frozen=True)
class UnitCTCSettings(OwnTokensCTC):
    """The settings of `UnitSettings`, for a CTC head beside those over text or alone (SBL, VALLR)."""

    unit: str = "phoneme"
    word_mark: bool = True
    pronunciation: str = "first"
    dictionary: tuple[str, ...] = (CMU, ESPEAK)

    def __post_init__(self):
        object.__setattr__(self, "dictionary", tuple(self.dictionary))
        self.settings()

    def settings(self) -> UnitSettings:
        """Settings of the tokenizer. Raises ValueError."""
        return UnitSettings(self.unit, self.word_mark, self.pronunciation, self.dictionary)

    def tokenizer(self, shared: Any) -> UnitTokenizer:
        """The tokenizer of phonemes or visemes."""
        return UnitTokenizer(self.settings())
