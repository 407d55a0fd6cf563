"""A CTC head over Latin letters for clips of any language: the romaniser of Zero-AVSR (Yeo et al. 2025).

Shapes: D width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vsr.core.errors import VsrError
from vsr.models.registry import HEADS
from vsr.models.unit_heads import OwnTokensCTC
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
class RomanCTCSettings(OwnTokensCTC):
    """A head with one alphabet for all languages, so that they share training data."""

    def tokenizer(self, shared: Any) -> RomanTokenizer:
        """The tokenizer of Latin letters."""
        return RomanTokenizer()
