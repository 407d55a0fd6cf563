"""Attention decoder: tokens so far + encoder states -> the next token; with a cache for beam search.

Shapes: B utterances, K hypotheses of each, U tokens, T video frames, D width, H heads, E = D / H, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.tokens import BLANK, IGNORE, UNK
from vsr.data.batch import Batch
from vsr.models.attention import MultiHeadAttention
from vsr.models.cache import PastCache
from vsr.models.conformer import FeedForward
from vsr.models.lengths import causal_mask, key_mask, length_mask, sinusoid
from vsr.models.targets import shift_tokens
from vsr.text.hypothesis import Hypothesis


class DecoderLayer(nn.Module):
    """Self-attention, attention over the states, feed-forward, each pre-norm and residual."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float, eps: float, attention_dropout: float = 0.0):
        super().__init__()
        self.norm_self = nn.LayerNorm(dim, eps)
        self.self_attention = MultiHeadAttention(dim, heads, attention_dropout)
        self.norm_cross = nn.LayerNorm(dim, eps)
        self.cross_attention = MultiHeadAttention(dim, heads, attention_dropout)
        self.feed_forward = FeedForward(dim, hidden, dropout, nn.ReLU, eps)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, states: Tensor, self_mask: Tensor, cross_mask: Tensor) -> Tensor:
        """x (B, U, D), states (B, T, D) -> (B, U, D)."""
        x = x + self.dropout(self.self_attention(self.norm_self(x), mask=self_mask))
        x = x + self.dropout(self.cross_attention(self.norm_cross(x), states, cross_mask))
        return x + self.dropout(self.feed_forward(x))

    def step(self, x: Tensor, layer: int, cache: DecoderCache) -> Tensor:
        """One new position: x (B, K, D) -> (B, K, D); the K hypotheses are the queries of their utterance."""
        x = x + cache.attend(layer, self.self_attention, self.norm_self(x))
        attention = self.cross_attention
        query = attention.split(attention.query(self.norm_cross(x)))  # (B, H, K, E)
        x = x + attention.attend(query, *cache.cross[layer], cache.cross_mask)
        return x + self.feed_forward(x)


class DecoderCache(PastCache):
    """Past tokens of every hypothesis, and keys and values of the states, projected once per utterance."""

    def __init__(self, cross: list[tuple[Tensor, Tensor]], mask: Tensor):
        super().__init__(len(mask))
        self.cross = cross
        self.cross_mask = mask

    def select(self, rows: Tensor) -> None:
        """Keep the utterances ``rows`` (B',), in that order."""
        super().select(rows)
        self.cross = [(key[rows], value[rows]) for key, value in self.cross]
        self.cross_mask = self.cross_mask[rows]


class Decoder(nn.Module):
    """Transformer decoder with sinusoidal positions.

    Args:
        vocab_size: V, with blank and the shared start/end token.
        dim, layers, heads, hidden, dropout, eps, attention_dropout: as in the encoder.

    ``label_smoothing`` applies to its loss.
    """

    counted = "tokens"
    label_smoothing = 0.1

    def __init__(
        self, vocab_size: int, dim: int, layers: int, heads: int, hidden: int, dropout: float, eps: float = 1e-5,
        attention_dropout: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        self.dim = dim
        self.embed = nn.Embedding(vocab_size, dim)
        nn.init.normal_(self.embed.weight, std=dim**-0.5)
        self.dropout = nn.Dropout(dropout)
        sizes = dim, heads, hidden, dropout, eps, attention_dropout
        self.layers = nn.ModuleList(DecoderLayer(*sizes) for _ in range(layers))
        self.norm = nn.LayerNorm(dim, eps)
        self.out = nn.Linear(dim, vocab_size)

    def _embed(self, tokens: Tensor, first_position: int) -> Tensor:
        positions = torch.arange(first_position, first_position + tokens.shape[-1], device=tokens.device)
        return self.embed(tokens) * self.dim**0.5 + sinusoid(positions, self.dim).to(self.embed.weight.dtype)

    def forward(self, tokens: Tensor, states: Tensor, lengths: Tensor) -> Tensor:
        """tokens (B, U) that begin with sos, states (B, T, D), lengths (B,) -> logits (B, U, V)."""
        return self.out(self.hidden(tokens, states, lengths))

    def hidden(self, tokens: Tensor, states: Tensor, lengths: Tensor) -> Tensor:
        """As `forward`, before the last projection: (B, U, D); position i has seen the tokens up to i."""
        x = self.dropout(self._embed(tokens, 0))
        self_mask = causal_mask(tokens.shape[1], tokens.device)
        cross_mask = key_mask(length_mask(lengths, states.shape[1]))
        for layer in self.layers:
            x = layer(x, states, self_mask, cross_mask)
        return self.norm(x)

    def loss(self, states: Tensor, batch: Batch) -> dict[str, Tensor]:
        """``loss``, cross-entropy over the tokens and ends of a batch, and ``accuracy``, the share of correct ones."""
        tokens_in, targets = shift_tokens(batch.tokens, self.embed.num_embeddings - 1)
        logits = self(tokens_in, states, batch.lengths).float()
        loss = F.cross_entropy(
            logits.transpose(1, 2), targets, ignore_index=IGNORE, label_smoothing=self.label_smoothing
        )
        is_target = targets != IGNORE
        return {"loss": loss, "accuracy": (logits.argmax(-1) == targets)[is_target].float().mean()}

    def search(self, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[Hypothesis]]:
        """Greedy search: the likeliest token at each step, until the end, or at most as many as there are frames."""
        end = self.embed.num_embeddings - 1
        cache, last_tokens = self.start(states, lengths), lengths.new_full((len(lengths), 1), end)
        steps_by_row: list[list[tuple[int, float]]] = [[] for _ in range(len(lengths))]
        is_running = [True] * len(steps_by_row)
        for step in range(int(lengths.max())):
            scores = self.step(last_tokens, cache).float().index_fill(-1, lengths.new_tensor([BLANK, UNK]), -torch.inf)
            best, last_tokens = scores.max(-1)
            for row, (score, token) in enumerate(zip(best[:, 0].tolist(), last_tokens[:, 0].tolist(), strict=True)):
                if is_running[row]:
                    steps_by_row[row].append((token, score))
                    is_running[row] = token != end and step + 1 < int(lengths[row])
            if not any(is_running):
                break
        return [[_hypothesis(steps, end)] for steps in steps_by_row]

    def cross_attention(self, tokens: Tensor, states: Tensor, lengths: Tensor) -> Tensor:
        """Cross-attention weights: arguments of `forward` -> (B, layers, H, U, T).

        Hooks gather them in this one pass, so that training and search pay nothing.
        """
        weights: list[Tensor] = []
        hooks = [
            layer.cross_attention.register_forward_pre_hook(lambda module, args: weights.append(module.weights(*args)))
            for layer in self.layers
        ]
        try:
            self(tokens, states, lengths)
        finally:
            for hook in hooks:
                hook.remove()
        return torch.stack(weights, dim=1)

    def start(self, states: Tensor, lengths: Tensor) -> DecoderCache:
        """Project the states (B, T, D) once for a whole search."""
        cross = [layer.cross_attention.keys_values(states) for layer in self.layers]
        return DecoderCache(cross, key_mask(length_mask(lengths, states.shape[1])))

    def step(self, tokens: Tensor, cache: DecoderCache) -> Tensor:
        """Last tokens (B, K) of the hypotheses -> log-probabilities (B, K, V) of the next; extends the cache."""
        x = self._embed(tokens[..., None], cache.position)[:, :, 0]
        cache.open(x)
        for index, layer in enumerate(self.layers):
            x = layer.step(x, index, cache)
        return self.out(self.norm(x)).log_softmax(-1)


def _hypothesis(steps: list[tuple[int, float]], end: int) -> Hypothesis:
    """(token, log-probability) of each step -> the hypothesis."""
    return Hypothesis(tuple(token for token, _ in steps if token != end), sum(score for _, score in steps))
