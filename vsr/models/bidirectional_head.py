"""Settings of SBL's head: phonemes of several languages, two directions, fill-in and language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, NOT_NEGATIVE
from vsr.core.tokens import IGNORE
from vsr.data.manifest import Clip
from vsr.data.targets import TOKENS, Target
from vsr.models.bidirectional import LANGUAGE, BidirectionalHead
from vsr.models.heads import HeadSettings
from vsr.models.limits import DROPPED, check_heads, check_sizes
from vsr.models.registry import HEADS
from vsr.text.espeak import ipa_of
from vsr.text.ipa import SoundTokenizer, sounds_of


@HEADS.register("bidirectional")
@dataclass(frozen=True)
class BidirectionalSettings(HeadSettings):
    """Settings of `BidirectionalHead`; ``languages`` by their names in the manifests and in espeak."""

    languages: tuple[str, ...] = ()
    layers: int = 2
    heads: int = 4
    hidden: int = 768
    dropout: float = 0.1
    fill_layers: int = 1
    beam: int = 4
    label_smoothing: float = 0.1
    language_weight: float = 0.1

    def __post_init__(self):
        object.__setattr__(self, "languages", tuple(self.languages))
        sizes = dict.fromkeys(("layers", "heads", "hidden", "fill_layers", "beam"), COUNT)
        check_sizes(self, **sizes, dropout=DROPPED, label_smoothing=DROPPED, language_weight=NOT_NEGATIVE)

    def tokenizer(self, shared: Any) -> SoundTokenizer:
        """The tokenizer of phonemes."""
        return SoundTokenizer()

    def targets(self, clip: Clip, frames: int, tokenizer: SoundTokenizer) -> dict[str, Target]:
        """``tokens`` of the clip's phones, or else of its text by espeak; ``language`` (1,)."""
        language = self.languages.index(clip.language) if clip.language in self.languages else IGNORE
        tokens = tokenizer.ids(sounds_of_clip(clip))
        return {TOKENS: Target(np.array(tokens, dtype=np.int64)), LANGUAGE: Target(np.array([language]))}

    def build(self, dim: int, vocab_size: int) -> BidirectionalHead:
        check_heads("dim", dim, "heads", self.heads)
        c = self
        head = BidirectionalHead(
            SoundTokenizer().vocab_size, dim, c.layers, c.heads, c.hidden, c.dropout, c.fill_layers,
            len(c.languages), c.beam,
        )  # fmt: skip
        head.label_smoothing, head.language_weight = c.label_smoothing, c.language_weight
        return head


def sounds_of_clip(clip: Clip) -> list[str]:
    """The phonemes of a clip. Raises VsrError bad_manifest for an unknown phoneme sign or language."""
    if not clip.phones and not clip.language:
        raise VsrError("bad_manifest", f"{clip.id} has neither phones nor a language by which espeak could say it")
    labels = [label for label, *_ in clip.phones] or [ipa_of(clip.text, clip.language)]
    try:
        return [sound for label in labels for sound in sounds_of(label)]
    except ValueError as error:
        raise VsrError("bad_manifest", f"{clip.id}: {error}") from error
