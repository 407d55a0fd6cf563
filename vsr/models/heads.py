"""Heads that read the states of an encoder. Each has a tokenizer, targets, a loss and a search.

The settings of a kind define its tokenizer and targets, and build its module, which has the loss and the search
(`vsr.models.registry`). The joint search over CTC and decoder together is `vsr.decoding.joint_beam`.

Shapes: B batch, T video frames, U tokens, D width, V vocabulary (blank 0 ... start/end V-1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vsr.core.numbers import COUNT
from vsr.core.tokens import UNK
from vsr.data.batch import Batch
from vsr.data.manifest import Clip
from vsr.data.targets import FRAME_TOKENS, TOKENS, Target, text_targets
from vsr.models.decoder import Decoder
from vsr.models.head_losses import alignment_loss, ctc_loss
from vsr.models.limits import DROPPED, check_heads, check_sizes
from vsr.models.registry import HEADS
from vsr.models.words import FIRST, WordHead
from vsr.text.hypothesis import Hypothesis
from vsr.text.tokenizer import CharTokenizer, Tokenizer, WordTokenizer, collapse


class HeadSettings:
    """Base class of head settings; its defaults teach the text of the clip in the tokens of the model."""

    @classmethod
    def filled(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings as a model's config stores them, with what is read from files, such as a list of units."""
        return dict(settings)

    def tokenizer(self, shared: Any) -> Any:
        """The tokenizer of the head, with ``decode`` and ``vocab_size``; ``shared`` is that of the model."""
        return shared

    def targets(self, clip: Clip, frames: int, tokenizer: Any) -> dict[str, Target]:
        """Training targets of a clip, beside the ``tokens`` and ``frame_tokens`` that all heads share, by name."""
        return {}


class CTCHead(nn.Linear):
    """States -> logits of CTC (Graves et al. 2006)."""

    counted = "clips"

    def loss(self, states: Tensor, batch: Batch) -> Tensor:
        """CTC loss per token, mean over the clips; states (B, T, D)."""
        log_probs = self(states.float()).log_softmax(-1)
        return ctc_loss(log_probs, batch.lengths, batch.tokens, batch.token_lengths)

    def search(self, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[Hypothesis]]:
        """The best path of each clip."""
        log_probs = self(states).float().log_softmax(-1)[..., :-1].clone()  # a path has no end token
        log_probs[..., UNK] = -math.inf
        frame_scores, paths = log_probs.max(-1)
        return [
            [Hypothesis(tuple(collapse(path[:length].tolist())), float(scores[:length].sum()))]
            for scores, path, length in zip(frame_scores, paths, lengths.tolist(), strict=True)
        ]


class FrameHead(nn.Linear):
    """States -> logits of the token spoken in each frame, learned where word times are known."""

    counted = FRAME_TOKENS

    def loss(self, states: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy, mean over the frames whose token is known."""
        return alignment_loss(self(states).float(), batch.frame_tokens)

    def search(self, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[Hypothesis]]:
        """The likeliest token of each frame, with repetitions collapsed."""
        frame_scores, paths = self(states).float().log_softmax(-1).max(-1)
        return [
            [Hypothesis(tuple(collapse(path[:length].tolist())), float(scores[:length].sum()))]
            for scores, path, length in zip(frame_scores, paths, lengths.tolist(), strict=True)
        ]


@HEADS.register("ctc")
@dataclass(frozen=True)
class CTCSettings(HeadSettings):
    """A CTC head over the model's tokens, or over its own ``words`` or ``characters``."""

    words: tuple[str, ...] = ()
    characters: str = ""

    def __post_init__(self):
        object.__setattr__(self, "words", tuple(self.words))
        if self.words and self.characters:
            raise ValueError("a CTC head has words or characters of its own, not both")

    def tokenizer(self, shared: Tokenizer) -> Tokenizer:
        """The tokenizer of its words or characters, else that of the model."""
        return self._own_tokenizer() or shared

    def _own_tokenizer(self) -> Tokenizer | None:
        if self.words:
            return WordTokenizer(self.words)
        return CharTokenizer(self.characters) if self.characters else None

    def targets(self, clip: Clip, frames: int, tokenizer: Tokenizer) -> dict[str, Target]:
        """``tokens`` of the text, where they differ from the model's."""
        return {TOKENS: text_targets(clip, frames, tokenizer)[TOKENS]} if self.words or self.characters else {}

    def build(self, dim: int, vocab_size: int) -> CTCHead:
        tokenizer = self._own_tokenizer()
        return CTCHead(dim, tokenizer.vocab_size if tokenizer else vocab_size)


@HEADS.register("frame_alignment")
@dataclass(frozen=True)
class FrameAlignmentSettings(HeadSettings):
    """Settings of `FrameHead`, which has none."""

    def build(self, dim: int, vocab_size: int) -> FrameHead:
        return FrameHead(dim, vocab_size)


@HEADS.register("attention")
@dataclass(frozen=True)
class AttentionSettings(HeadSettings):
    """Settings of `vsr.models.decoder.Decoder`; ``tied``: with AV-HuBERT's tied embeddings."""

    layers: int = 2
    heads: int = 4
    hidden: int = 768
    dropout: float = 0.1
    norm_eps: float = 1e-5
    label_smoothing: float = 0.1
    tied: bool = False
    attention_dropout: float = 0.0

    def __post_init__(self):
        shares = dict.fromkeys(("dropout", "label_smoothing", "attention_dropout"), DROPPED)
        check_sizes(self, layers=COUNT, heads=COUNT, hidden=COUNT, **shares)

    def build(self, dim: int, vocab_size: int) -> Decoder:
        from vsr.models.av_hubert import TiedDecoder

        check_heads("dim", dim, "decoder_heads", self.heads)
        sizes = vocab_size, dim, self.layers, self.heads, self.hidden, self.dropout, self.norm_eps
        decoder = (TiedDecoder if self.tied else Decoder)(*sizes, self.attention_dropout)
        decoder.label_smoothing = self.label_smoothing
        return decoder


@HEADS.register("word_classes")
@dataclass(frozen=True)
class WordClassSettings(HeadSettings):
    """Settings of `WordHead`, which classifies clips by the tokenizer's words or by its own ``words``."""

    words: tuple[str, ...] = ()
    label_smoothing: float = 0.1

    def __post_init__(self):
        object.__setattr__(self, "words", tuple(self.words))
        check_sizes(self, label_smoothing=DROPPED)

    def tokenizer(self, shared: Tokenizer) -> Tokenizer:
        """The tokenizer of its words, else that of the model."""
        return WordTokenizer(self.words) if self.words else shared

    def targets(self, clip: Clip, frames: int, tokenizer: Tokenizer) -> dict[str, Target]:
        """``tokens`` of the text, where they differ from the model's."""
        return {TOKENS: text_targets(clip, frames, tokenizer)[TOKENS]} if self.words else {}

    def build(self, dim: int, vocab_size: int) -> WordHead:
        head = WordHead(dim, len(self.words) or vocab_size - FIRST - 1)
        head.label_smoothing = self.label_smoothing
        return head
