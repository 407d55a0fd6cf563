"""A bidirectional decoder with a fill-in query, and language identification (synchronous bidirectional learning).

After SBL (Luo et al. 2020), whose published code lets each direction see the token that the other has to predict. Here
two separate streams read the tokens forward and backward; a third predicts each token from both of its contexts.

Shapes: B clips, T frames, U tokens, D width, V vocabulary, L languages.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.models.attention import MultiHeadAttention
from vsr.models.conformer import FeedForward
from vsr.models.decoder import Decoder
from vsr.models.hypotheses import Hypotheses, beam_search, log_probs
from vsr.models.lengths import causal_mask, key_mask, length_mask, sinusoid
from vsr.models.targets import shift_tokens
from vsr.text.hypothesis import Hypothesis

LANGUAGE = "language"  # name of the target


def flipped(tokens: Tensor) -> Tensor:
    """Tokens (B, U) padded with -1, in reverse order for each clip."""
    lengths = (tokens != IGNORE).sum(1, keepdim=True)
    order = (lengths - 1 - torch.arange(tokens.shape[1], device=tokens.device)) % max(1, tokens.shape[1])
    return torch.where(length_mask(lengths[:, 0], tokens.shape[1]), tokens.gather(1, order), IGNORE)


class FillLayer(nn.Module):
    """Queries attend to the tokens before them, to those after them, and to the states; pre-norm, residual."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))
        self.attentions = nn.ModuleList(MultiHeadAttention(dim, heads) for _ in range(3))
        self.feed_forward = FeedForward(dim, hidden, dropout, nn.ReLU)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: Tensor, memories: list[tuple[Tensor, Tensor]]) -> Tensor:
        """queries (B, U, D), ``memories``: (memory (B, N, D), mask) of before, after and states -> (B, U, D)."""
        for norm, attention, (memory, mask) in zip(self.norms, self.attentions, memories, strict=True):
            queries = queries + self.dropout(attention(norm(queries), memory, mask))
        return queries + self.dropout(self.feed_forward(queries))


class BidirectionalHead(nn.Module):
    """Two `Decoder` streams, `FillLayer`s, and a language classifier whose output is added to the queries.

    Args:
        vocab_size: V, with blank and the shared start/end token.
        dim, layers, heads, hidden, dropout: of each stream.
        fill_layers: of the query.
        languages: L, 0 for none.
        beam: hypotheses of the forward stream, which both directions score.
    """

    counted = "tokens"
    label_smoothing = 0.1
    language_weight = 0.1

    def __init__(
        self, vocab_size: int, dim: int, layers: int, heads: int, hidden: int, dropout: float, fill_layers: int,
        languages: int, beam: int,
    ):  # fmt: skip
        super().__init__()
        self.onward = Decoder(vocab_size, dim, layers, heads, hidden, dropout)
        self.backward_ = Decoder(vocab_size, dim, layers, heads, hidden, dropout)
        self.fill = nn.ModuleList(FillLayer(dim, heads, hidden, dropout) for _ in range(fill_layers))
        self.norm, self.out = nn.LayerNorm(dim), nn.Linear(dim, vocab_size)
        self.language = nn.Linear(dim, languages) if languages else None
        self.colour = nn.Linear(languages, dim, bias=False) if languages else None
        self.end, self.beam = vocab_size - 1, beam

    def languages(self, states: Tensor, lengths: Tensor) -> Tensor | None:
        """Language logits (B, L) from the mean of the states over the real frames; None without languages."""
        return None if self.language is None else self.language(states.sum(1) / lengths[:, None])

    def streams(self, states: Tensor, lengths: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of each token forward (B, U + 1, V), backward (B, U + 1, V), and filled in (B, U, V)."""
        before = self.onward.hidden(shift_tokens(tokens, self.end)[0], states, lengths)
        after = self.backward_.hidden(shift_tokens(flipped(tokens), self.end)[0], states, lengths)
        counts = (tokens != IGNORE).sum(1)
        filled = self.filled(before[:, :-1], turned(after, counts), counts, states, lengths)
        return self.onward.out(before), self.backward_.out(after), filled

    def filled(self, before: Tensor, after: Tensor, counts: Tensor, states: Tensor, lengths: Tensor) -> Tensor:
        """Fill-in logits (B, U, V): position i attends to ``before`` up to i and to ``after`` from i on, which have
        seen only the tokens before and after i; both (B, U, D), with ``counts`` (B,) real positions."""
        count, dim = before.shape[1:]
        positions = torch.arange(count, device=before.device)
        queries = sinusoid(positions, dim).to(before).expand(len(before), -1, -1)
        language = self.languages(states, lengths)
        if self.colour is not None and language is not None:
            queries = queries + self.colour(language.softmax(-1))[:, None]
        earlier, is_token = causal_mask(count, before.device), key_mask(length_mask(counts, count))
        later = earlier.T & (is_token | torch.eye(count, dtype=torch.bool, device=before.device))
        memories = [(before, earlier), (after, later), (states, key_mask(length_mask(lengths, states.shape[1])))]
        for layer in self.fill:
            queries = layer(queries, memories)
        return self.out(self.norm(queries))

    def loss(self, states: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Sum of the three cross-entropies and the weighted loss of the language, and each of them."""
        tokens = batch.tokens
        onward, backward, filled = self.streams(states, batch.lengths, tokens)
        parts = {
            "onward": self.compared(onward, shift_tokens(tokens, self.end)[1]),
            "backward": self.compared(backward, shift_tokens(flipped(tokens), self.end)[1]),
            "fill": self.compared(filled, tokens),
        }
        loss = torch.stack(list(parts.values())).sum()
        if (language := self.languages(states, batch.lengths)) is not None:
            targets = batch.targets[LANGUAGE][:, 0]
            count = (targets != IGNORE).sum().clamp(min=1)
            parts[LANGUAGE] = F.cross_entropy(language.float(), targets, ignore_index=IGNORE, reduction="sum") / count
            loss = loss + self.language_weight * parts[LANGUAGE]
        return {"loss": loss} | parts

    def compared(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of logits (B, U, V), mean over the known targets (B, U)."""
        smoothing = self.label_smoothing if self.training else 0.0
        total = F.cross_entropy(
            logits.float().transpose(1, 2), targets, ignore_index=IGNORE, label_smoothing=smoothing, reduction="sum"
        )
        return total / (targets != IGNORE).sum().clamp(min=1)

    @torch.no_grad()
    def measured(self, states: Tensor, batch: Batch) -> tuple[int, int]:
        """(wrong tokens, tokens) of a batch when each is filled in between the true others, for validation."""
        wrong = self.streams(states, batch.lengths, batch.tokens)[2].argmax(-1) != batch.tokens
        is_token = batch.tokens != IGNORE
        return int((wrong & is_token).sum()), int(is_token.sum())

    @torch.no_grad()
    def search(self, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[Hypothesis]]:
        """N-best list of the forward stream, rescored by both directions."""
        hypotheses = beam_search(self.onward, states, lengths, max(self.beam, nbest), lengths)
        scores = self.scores(states, lengths, hypotheses)
        clips = zip(hypotheses.lists(), scores.tolist(), hypotheses.ended.tolist(), strict=True)
        return [_ranked(*clip)[:nbest] for clip in clips]

    def scores(self, states: Tensor, lengths: Tensor, found: Hypotheses) -> Tensor:
        """Log-probability forward plus backward, mean over tokens and end, (B, K): sums would favour short texts."""
        reversed_tokens = flipped(found.tokens.flatten(0, 1)).view_as(found.tokens)
        backward = Hypotheses(reversed_tokens, found.ended)
        streams = ((self.onward, found), (self.backward_, backward))
        total = sum(log_probs(decoder, states, lengths, hypotheses).sum(-1) for decoder, hypotheses in streams)
        return total / (found.lengths + 1)


def _ranked(texts: list[list[int]], scores: list[float], ended: list[bool]) -> list[Hypothesis]:
    """The hypotheses of a clip that ended, best first."""
    rows = zip(texts, scores, ended, strict=True)
    hypotheses = [Hypothesis(tuple(tokens), float(score)) for tokens, score, has_ended in rows if has_ended]
    return sorted(hypotheses, key=lambda hypothesis: -hypothesis.score)


def turned(after: Tensor, counts: Tensor) -> Tensor:
    """States (B, U + 1, D) of the backward stream, in which state k has seen the last k tokens -> (B, U, D), in which
    state i has seen the tokens after i; counts (B,)."""
    width = after.shape[1] - 1
    order = (counts[:, None] - 1 - torch.arange(width, device=after.device)).clamp(min=0)
    return after.gather(1, order[..., None].expand(-1, -1, after.shape[2]))
