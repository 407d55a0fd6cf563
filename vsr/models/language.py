"""Transformer language model over the tokens of a lip reader.

Shapes: B sentences, U tokens, K hypotheses, D width, V vocabulary (the tokenizer's: blank 0 ... start/end V-1).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.numbers import COUNT, NOT_NEGATIVE, POSITIVE
from vsr.core.tokens import IGNORE
from vsr.models.av_hubert import TransformerLayer
from vsr.models.cache import PastCache
from vsr.models.chunked import chunked_cross_entropy
from vsr.models.lengths import causal_mask, sinusoid
from vsr.models.limits import DROPPED, check_sizes
from vsr.models.targets import shift_tokens

ACTIVATIONS = {"gelu": nn.GELU, "relu": nn.ReLU}


@dataclass(frozen=True)
class LanguageModelConfig:
    """The configuration of a language model, stored beside its weights.

    With ``embed_dim`` the embeddings have that width, a layer projects them to ``dim``, and the output layer is
    separate, as in ESPnet's models; 0: embeddings and output layer are tied. ``positions``: whether positions are
    encoded. ``activation`` is that of the feed-forward networks, ``norm_eps`` of every layer normalisation;
    ``attention_dropout`` the share of the attention weights that training drops.
    """

    vocab_size: int
    dim: int = 512
    heads: int = 8
    hidden: int = 2048
    layers: int = 6
    dropout: float = 0.1
    embed_dim: int = 0
    positions: bool = True
    activation: str = "gelu"
    norm_eps: float = 1e-5
    attention_dropout: float = 0.0

    def __post_init__(self):
        check_sizes(
            self, vocab_size=COUNT, dim=COUNT, heads=COUNT, hidden=COUNT, layers=COUNT, dropout=DROPPED,
            embed_dim=NOT_NEGATIVE, norm_eps=POSITIVE, attention_dropout=DROPPED,
        )  # fmt: skip
        if not isinstance(self.positions, bool):
            raise ValueError(f"positions is {self.positions!r}; it can be true or false")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is '{self.activation}'; it can be {' or '.join(ACTIVATIONS)}")


class LanguageModel(nn.Module):
    """Causal transformer with tied embeddings (Press and Wolf 2017), unless ``embed_dim`` is set."""

    def __init__(self, config: LanguageModelConfig):
        super().__init__()
        self.config = c = config
        self.embed = nn.Embedding(c.vocab_size, c.embed_dim or c.dim)
        nn.init.normal_(self.embed.weight, std=c.dim**-0.5)
        self.enter = self.out = None
        if c.embed_dim:
            self.enter = nn.Sequential(nn.Linear(c.embed_dim, c.dim), nn.LayerNorm(c.dim), nn.ReLU())
            self.out = nn.Linear(c.dim, c.vocab_size)
        self.dropout = nn.Dropout(c.dropout)
        settings = (c.dim, c.heads, c.hidden, c.dropout, ACTIVATIONS[c.activation], c.norm_eps, c.attention_dropout)
        self.layers = nn.ModuleList(TransformerLayer(*settings) for _ in range(c.layers))
        self.norm = nn.LayerNorm(c.dim, c.norm_eps)

    def _embed(self, tokens: Tensor, first_position: int) -> Tensor:
        embedded = self.embed(tokens) if self.enter is None else self.enter(self.embed(tokens))
        if not self.config.positions:
            return embedded
        positions = torch.arange(first_position, first_position + tokens.shape[-1], device=tokens.device)
        code = sinusoid(positions, self.config.dim).to(self.embed.weight.dtype)
        return embedded * self.config.dim**0.5 + code

    def _head(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        return F.linear(x, self.embed.weight) if self.out is None else self.out(x)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (B, U) that start with sos -> logits (B, U, V)."""
        return self._head(self._states(tokens))

    def _states(self, tokens: Tensor) -> Tensor:
        x = self.dropout(self._embed(tokens, 0))
        mask = causal_mask(tokens.shape[1], tokens.device)
        for layer in self.layers:
            x = layer(x, mask)
        return x

    def token_losses(self, tokens: Tensor) -> Tensor:
        """Sentences (B, U) padded with -1 -> negative log-probability of each token and of the end, (B, U+1), 0 on
        padding."""
        tokens_in, targets = shift_tokens(tokens, self.config.vocab_size - 1)
        if self.out is not None and type(self.out) is not nn.Linear:  # of lower precision, for inference only
            logits = self(tokens_in).float()
            return F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=IGNORE, reduction="none")
        weight, bias = (self.embed.weight, None) if self.out is None else (self.out.weight, self.out.bias)
        hidden = self.norm(self._states(tokens_in)).flatten(0, 1)
        return chunked_cross_entropy(hidden, weight, targets.flatten(), bias).view_as(targets)

    def loss(self, batch) -> dict[str, Tensor]:
        """Mean negative log-probability of the tokens and ends in ``batch.tokens``.

        It is scaled by the batch's share, so that the mean over ranks is the mean over all their batches.
        """
        losses = self.token_losses(batch.tokens)
        return {"loss": batch.share("tokens") * losses.sum() / ((batch.tokens != IGNORE).sum() + len(losses))}

    def start(self, utterances: int) -> PastCache:
        """An empty cache for a search over this many utterances."""
        return PastCache(utterances)

    def step(self, tokens: Tensor, cache: PastCache) -> Tensor:
        """Last tokens (B, K) of the hypotheses -> log-probabilities (B, K, V) of the next; extends the cache."""
        x = self._embed(tokens[..., None], cache.position)[:, :, 0]
        cache.open(x)
        for index, layer in enumerate(self.layers):
            x = x + cache.attend(index, layer.attention, layer.norm_attention(x))
            x = x + layer.feed_forward(x)
        return self._head(x).log_softmax(-1)
