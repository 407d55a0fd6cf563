"""A CTC head over Latin letters for clips of any language: the romaniser of Zero-AVSR (Yeo et al. 2025).

Shapes: D width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.data.targets import FRAME_TOKENS, TOKENS, Target, text_targets
from vsr.models.heads import CTCHead, HeadSettings
from vsr.models.registry import HEADS
from vsr.text.roman import romanised
from vsr.text.tokenizer import CharTokenizer


class RomanTokenizer(CharTokenizer):
    """Characters of the text in Latin letters."""

    def encode(self, text: str) -> list[int]:
        """Ids of the romanised text. Raises VsrError bad_manifest for an unknown letter."""
        try:
            return super().encode(romanised(text))
        except ValueError as error:
            raise VsrError("bad_manifest", f"'{text}': {error}") from error


@HEADS.register("roman_ctc")
@dataclass(frozen=True)
class RomanCTCSettings(HeadSettings):
    """A head with one alphabet for all languages, so that they share training data."""

    def tokenizer(self, shared: Any) -> RomanTokenizer:
        """The tokenizer of Latin letters."""
        return RomanTokenizer()

    def targets(self, clip: Clip, frames: int, tokenizer: RomanTokenizer) -> dict[str, Target]:
        """``tokens`` of the romanised text, and ``frame_tokens``."""
        targets = text_targets(clip, frames, tokenizer)
        return {name: targets[name] for name in (TOKENS, FRAME_TOKENS)}

    def build(self, dim: int, vocab_size: int) -> CTCHead:
        return CTCHead(dim, self.tokenizer(None).vocab_size)
