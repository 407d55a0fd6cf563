"""A head that writes the text of a clip in another language: visual speech translation.

It is an attention decoder over the states, with a tokenizer of the target language; CTC, which is monotone, keeps the
text that is spoken (MixSpeech, Cheng et al. 2023, and AV-HuBERT on MuAViC, Anwar et al. 2023).

Shapes: B clips, T frames, U tokens, D width, V vocabulary of the target language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT
from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.data.manifest import Clip, translation_of
from vsr.data.targets import TOKENS, Target
from vsr.models.decoder import Decoder
from vsr.models.heads import HeadSettings
from vsr.models.hypotheses import beam_search, log_probs
from vsr.models.limits import DROPPED, check_heads, check_sizes
from vsr.models.registry import HEADS
from vsr.models.targets import shift_tokens
from vsr.text.hypothesis import Hypothesis
from vsr.text.pieces import of_pieces, pieces_in
from vsr.text.tokenizer import CharTokenizer, Tokenizer
from vsr.text.unit_list import CONFIG


class TranslationHead(Decoder):
    """`Decoder` over target tokens; its beam search ranks texts by the mean log-probability per token."""

    beam = 4

    def search(self, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[Hypothesis]]:
        """The ``nbest`` texts of each clip, of at most as many tokens as there are frames."""
        hypotheses = beam_search(self, states, lengths, max(self.beam, nbest), lengths)
        scores = log_probs(self, states, lengths, hypotheses).sum(-1)
        clips = zip(hypotheses.lists(), scores.tolist(), hypotheses.ended.tolist(), strict=True)
        return [_ranked(*row)[:nbest] for row in clips]

    @torch.no_grad()
    def measured(self, states: Tensor, batch: Batch) -> tuple[int, int]:
        """(wrong tokens and ends, tokens and ends) with the true tokens as input, for validation."""
        tokens_in, targets = shift_tokens(batch.tokens, self.embed.num_embeddings - 1)
        wrong = self(tokens_in, states, batch.lengths).argmax(-1) != targets
        is_known = targets != IGNORE
        return int((wrong & is_known).sum()), int(is_known.sum())


def _ranked(tokens: list[list[int]], scores: list[float], ended: list[bool]) -> list[Hypothesis]:
    """The hypotheses of a clip that ended, by mean log-probability, best first."""
    candidates = zip(tokens, scores, ended, strict=True)
    hypotheses = [Hypothesis(tuple(ids), score) for ids, score, has_ended in candidates if has_ended]
    return sorted(hypotheses, key=lambda hypothesis: -hypothesis.score / (len(hypothesis.tokens) + 1))


@HEADS.register("translation")
@dataclass(frozen=True)
class TranslationSettings(HeadSettings):
    """``language``: target language, as in the manifests' translations; ``tokenizer_folder``: folder of `vsr tokens
    --translation`, whose ``pieces`` training stores in the model's config; other settings as in `Decoder`."""

    language: str
    tokenizer_folder: str = ""
    pieces: tuple[str, ...] = ()
    layers: int = 2
    heads: int = 4
    hidden: int = 768
    dropout: float = 0.1
    label_smoothing: float = 0.1
    beam: int = 4

    def __post_init__(self):
        object.__setattr__(self, "pieces", tuple(self.pieces))
        sizes = dict.fromkeys(("layers", "heads", "hidden", "beam"), COUNT)
        check_sizes(self, **sizes, dropout=DROPPED, label_smoothing=DROPPED)
        if not self.language:
            raise ValueError("a translation head needs its language, such as es")
        if not self.pieces and not self.tokenizer_folder:
            raise ValueError("a translation head needs tokenizer_folder, which vsr tokens --translation makes")

    @classmethod
    def filled(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings with the pieces of the folder, if it exists. Raises VsrError bad_model."""
        folder = settings.get("tokenizer_folder")
        if settings.get("pieces") or not folder or not (Path(str(folder)) / CONFIG).exists():
            return dict(settings)
        return {**settings, "pieces": list(pieces_in(str(folder)))}

    def tokenizer(self, shared: Any) -> Tokenizer:
        """The tokenizer of the pieces, or of characters where the folder does not exist yet (`--dry-run`)."""
        return of_pieces(self.pieces) if self.pieces else CharTokenizer()

    def targets(self, clip: Clip, frames: int, tokenizer: Tokenizer) -> dict[str, Target]:
        """``tokens`` of the translation. Raises VsrError bad_manifest for a clip without one, bad_config without
        pieces."""
        if not self.pieces:
            problem = f"holds no tokenizer: make it by vsr tokens --translation {self.language}"
            raise VsrError("bad_config", f"tokenizer_folder {self.tokenizer_folder} {problem}")
        text = translation_of(clip, self.language)
        if text is None:
            raise VsrError("bad_manifest", f"{clip.id} has no translation into {self.language}")
        return {TOKENS: Target(np.array(tokenizer.encode(text), dtype=np.int64))}

    def build(self, dim: int, vocab_size: int) -> TranslationHead:
        check_heads("dim", dim, "heads", self.heads)
        size = self.tokenizer(None).vocab_size
        head = TranslationHead(size, dim, self.layers, self.heads, self.hidden, self.dropout)
        head.label_smoothing, head.beam = self.label_smoothing, self.beam
        return head
