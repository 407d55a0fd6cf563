"""A CTC head over Latin letters, whatever the language of a clip is: the romaniser of Zero-AVSR (Yeo et al. 2025).

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
        """Ids of the romanised text. Raises VsrError bad_manifest for a letter that is not known."""
        try:
            return super().encode(romanised(text))
        except ValueError as error:
            raise VsrError("bad_manifest", f"'{text}': {error}") from error


@HEADS.register("roman_ctc")
@dataclass(frozen=True)
class RomanCTCSettings(HeadSettings):
    """A head that spells every language alike, so that clips of one teach the others."""

    def tokenizer(self, shared: Any) -> RomanTokenizer:
        """Its own."""
        return RomanTokenizer()

    def targets(self, clip: Clip, frames: int, tokenizer: RomanTokenizer) -> dict[str, Target]:
        """``tokens`` of the romanised text, and ``frame_tokens``."""
        made = text_targets(clip, frames, tokenizer)
        return {name: made[name] for name in (TOKENS, FRAME_TOKENS)}

    def build(self, dim: int, vocab_size: int) -> CTCHead:
        return CTCHead(dim, self.tokenizer(None).vocab_size)
