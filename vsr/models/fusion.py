"""Two readers of the same lips, one by pixels and one by tracks of mouth points, that search together.

Each is a whole `LipReader` and can read alone. What they say is combined where it can be weighed: in the probabilities.
Pixels know few people well, tracks know many a little; states joined by trained layers would trust the pixels of
strangers as much as those of the people they were trained on.

Shapes: B batch, T frames, U tokens, K hypotheses, V vocabulary, F features of a track, P and L the widths of the two
readers. States are (B, T, P + L), with zeros in the part of a reader that saw nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vsr.models.lipreader import LipReader, LipReaderConfig


@dataclass(frozen=True)
class FusedConfig:
    """The two readers' settings, with the same vocabulary, and the weight of the tracks, 0 to 1, beside the pixels."""

    pixels: LipReaderConfig
    tracks: LipReaderConfig
    track_weight: float = 0.5

    def __post_init__(self):
        for name in ("pixels", "tracks"):
            if isinstance(given := getattr(self, name), dict):
                object.__setattr__(self, name, LipReaderConfig(**given))
        if self.pixels.vocab_size != self.tracks.vocab_size:
            raise ValueError(f"vocabularies of {self.pixels.vocab_size} and {self.tracks.vocab_size} tokens")
        if self.tracks.frontend != "landmarks" or self.pixels.frontend == "landmarks":
            raise ValueError("tracks needs the front end landmarks, and pixels another")
        for own in (self.pixels, self.tracks):
            if not (own.ctc_weight and own.alignment_weight and own.decoder_layers):
                raise ValueError("both readers need a CTC head, an alignment head and a decoder")
        if not 0 < self.track_weight < 1:
            raise ValueError(f"track_weight is {self.track_weight}: give more than 0 and less than 1")

    classes = 0

    @property
    def vocab_size(self) -> int:
        return self.pixels.vocab_size

    @property
    def frontend(self) -> str:
        return f"{self.pixels.frontend}, {self.tracks.frontend}"

    @property
    def dim(self) -> int:
        return self.pixels.dim + self.tracks.dim

    @property
    def layers(self) -> int:
        return self.pixels.layers + self.tracks.layers

    @property
    def decoder_layers(self) -> int:
        return self.pixels.decoder_layers


class FusedReader(nn.Module):
    """Reads pixels, tracks or both, with the interface of a `LipReader`."""

    words = boundary = None

    def __init__(self, config: FusedConfig):
        super().__init__()
        self.config = config
        self.pixels = LipReader(config.pixels)
        self.tracks = LipReader(config.tracks)

    def encode(self, video: Tensor | None, lengths: Tensor, inside=None, tracks: Tensor | None = None) -> Tensor:
        """Normalised video (B, T, 1, 88, 88), lengths (B,), tracks (B, T, F) -> states (B, T, P + L).

        Either may be None; a clip whose features are all zero has no track.
        """
        known = video if video is not None else tracks
        shape = (*known.shape[:2],)
        by_pixels = known.new_zeros(*shape, self.config.pixels.dim)
        by_tracks = known.new_zeros(*shape, self.config.tracks.dim)
        if video is not None:
            by_pixels = self.pixels.encode(video, lengths)
        if tracks is not None:
            there = (tracks != 0).any(2).any(1)
            by_tracks = self.tracks.encode(tracks, lengths) * there[:, None, None]
        return torch.cat([by_pixels, by_tracks], -1)

    def split(self, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States (..., T, P + L) -> those of each reader, and the weights of the two (..., 2), which add up to 1."""
        parts = states.split([self.config.pixels.dim, self.config.tracks.dim], -1)
        there = torch.stack([(part != 0).flatten(-2).any(-1) for part in parts], -1)
        own = states.new_tensor([1 - self.config.track_weight, self.config.track_weight])
        weights = own * there
        return *parts, weights / weights.sum(-1, keepdim=True).clamp(min=1e-6)

    @property
    def ctc(self):
        """The CTC head: states (..., T, P + L) -> logits (..., T, V). A mean of probabilities: the two readers' spikes
        may lie on different frames, and either must count."""
        return lambda states: self._mixed("ctc", states)

    @property
    def alignment(self):
        """The head of the frames' tokens: states (..., T, P + L) -> logits (..., T, V), a geometric mean."""
        return lambda states: self._joined("alignment", states)

    @property
    def decoder(self) -> FusedDecoder:
        """Both attention decoders as one."""
        return FusedDecoder(self)

    def ctc_log_probs(self, states: Tensor) -> Tensor:
        """States (B, T, P + L) -> CTC log-probabilities (B, T, V)."""
        return self.ctc(states).log_softmax(-1)

    def _mixed(self, head: str, states: Tensor) -> Tensor:
        logs, weights = self._said(head, states)
        return torch.logsumexp(logs + weights.clamp(min=1e-9).log(), -1)

    def _joined(self, head: str, states: Tensor) -> Tensor:
        logs, weights = self._said(head, states)
        return (logs * weights).sum(-1)

    def _said(self, head: str, states: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of both readers (..., T, V, 2), and their weights, to be multiplied with them."""
        *parts, weights = self.split(states)
        heads = getattr(self.pixels, head), getattr(self.tracks, head)
        logs = [own(part).float().log_softmax(-1) for own, part in zip(heads, parts, strict=True)]
        return torch.stack(logs, -1), weights[..., None, None, :]


class FusedCache:
    """What a search keeps for each of the two decoders; rows and hypotheses move in both alike."""

    def __init__(self, caches: list, weights: Tensor):
        self.caches, self.weights = caches, weights

    def reorder(self, parents: Tensor) -> None:
        """As `vsr.models.cache.PastCache.reorder`."""
        for cache in self.caches:
            cache.reorder(parents)

    def select(self, rows: Tensor) -> None:
        """As `vsr.models.cache.PastCache.select`."""
        self.weights = self.weights[rows]
        for cache in self.caches:
            cache.select(rows)


class FusedDecoder:
    """The two decoders' probabilities, in a weighted geometric mean; the interface of `vsr.models.decoder.Decoder`."""

    def __init__(self, reader: FusedReader):
        self.reader = reader
        self.decoders = (reader.pixels.decoder, reader.tracks.decoder)

    def __call__(self, tokens: Tensor, states: Tensor, lengths: Tensor) -> Tensor:
        """tokens (B, U), states (B, T, P + L), lengths (B,) -> log-probabilities (B, U, V)."""
        *parts, weights = self.reader.split(states)
        return _mean([own(tokens, part, lengths) for own, part in zip(self.decoders, parts, strict=True)], weights)

    def cross_attention(self, tokens: Tensor, states: Tensor, lengths: Tensor) -> Tensor:
        """Where the decoder of the heavier reader looks: (B, layers, H, U, T)."""
        *parts, weights = self.reader.split(states)
        first = int(weights.sum(0).argmax())
        return self.decoders[first].cross_attention(tokens, parts[first], lengths)

    def start(self, states: Tensor, lengths: Tensor) -> FusedCache:
        """Project both readers' states once for a whole search."""
        *parts, weights = self.reader.split(states)
        return FusedCache([own.start(part, lengths) for own, part in zip(self.decoders, parts, strict=True)], weights)

    def step(self, tokens: Tensor, cache: FusedCache) -> Tensor:
        """Last tokens (B, K) of every hypothesis -> log-probabilities (B, K, V) of the next."""
        logits = [own.step(tokens, past) for own, past in zip(self.decoders, cache.caches, strict=True)]
        return _mean(logits, cache.weights)


def _mean(logits: list[Tensor], weights: Tensor) -> Tensor:
    """Logits of both, (B, N, V) -> log-probabilities of their weighted geometric mean; weights (B, 2)."""
    logs = torch.stack([own.log_softmax(-1) for own in logits], -1)
    return (logs * weights[:, None, None]).sum(-1).log_softmax(-1)
