"""Two models of the same lips fused in one search: a complete reader of pixels, and one of tracks of mouth points.

They are combined as probabilities of a text, where they can be weighted: the search adds the word scores of the tracks'
CTC head. The reader of pixels was trained on few speakers, that of tracks on many; states joined by trained layers
would rely on the pixels of an unseen speaker as much as on those of training speakers.

Shapes: B batch, T frames, U tokens, K hypotheses, V vocabulary, F features of a track, P and L the widths of the two
readers. States are (B, T, P + L), with zeros in the part of a reader without input.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vsr.core.required import required
from vsr.data.batch import TRACKS, Batch
from vsr.data.modalities import MEL, VIDEO
from vsr.models.joined_heads import PartDecoder, PartHead
from vsr.models.lengths import length_mask, zero_padding
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.registry import FUSIONS

OF_TRACKS = "tracks."  # prefix of head names of the reader of tracks

KNOWN_BY = ("alignment", "ctc")  # heads of the reader of pixels whose entropy tells known from unseen speakers


@FUSIONS.register("word_evidence")
@dataclass(frozen=True)
class FusedConfig:
    """Settings of both readers, the words that the reader of tracks knows, and the weight of its CTC in the joint
    score. The vocabulary is that of the reader of pixels.

    ``track_weights`` are the weights for known and for unseen speakers of the reader of pixels. The mean entropy (nats)
    per frame of one of its heads, ``known_by`` ("alignment" or "ctc"), tells them apart: the first weight holds up to
    the first of ``entropies``, the second from the second on, and in between the weight is interpolated linearly. The
    entropy of CTC separates speakers better; that of the alignment head also grows on hard clips of known speakers.

    Tracks of faces turned further than ``widest_turn`` (degrees; 0: no limit) are not used: a reader trained on frontal
    faces says little about a mouth seen from the side.
    """

    pixels: LipReaderConfig
    tracks: LipReaderConfig
    words: tuple[str, ...]
    track_weights: tuple[float, float] = (1.0, 1.0)
    entropies: tuple[float, float] = (0.0, 1.0)
    known_by: str = "alignment"
    widest_turn: float = 0.0

    classes = 0
    joins = "readers"

    def __post_init__(self):
        for name in ("pixels", "tracks"):
            if isinstance(settings := getattr(self, name), dict):
                object.__setattr__(self, name, LipReaderConfig(**settings))
        object.__setattr__(self, "words", tuple(self.words))
        if self.tracks.vocab_size != len(self.words) + 3:
            raise ValueError(f"{len(self.words)} words, but a reader of tracks of {self.tracks.vocab_size} tokens")
        if self.tracks.frontend != "landmarks" or self.pixels.frontend == "landmarks":
            raise ValueError("the reader of tracks needs the front end landmarks, that of pixels another")
        if not (self.pixels.ctc_weight and self.pixels.decoder_layers and self.tracks.ctc_weight):
            raise ValueError("both readers need a CTC head, and that of pixels a decoder")
        if self.known_by not in KNOWN_BY:
            raise ValueError(f"known_by is '{self.known_by}'; it can be {' or '.join(KNOWN_BY)}")
        if self.known_by == "alignment" and not self.pixels.alignment_weight:
            raise ValueError("the reader of pixels needs the head of the frames' tokens, to tell whom it knows")
        for name in ("track_weights", "entropies"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if min(self.track_weights) < 0 or not self.entropies[0] < self.entropies[1]:
            raise ValueError("the weights of the tracks are not negative, and the entropies rise")
        if not 0 <= self.widest_turn <= 90:
            raise ValueError(f"widest_turn is {self.widest_turn}; it must be from 0 to 90 degrees")

    @property
    def vocab_size(self) -> int:
        """Vocabulary size of the reader of pixels, whose tokens the search writes."""
        return self.pixels.vocab_size

    @property
    def frontend(self) -> str:
        """Both front ends, in words."""
        return f"{self.pixels.frontend} and {self.tracks.frontend}"

    @property
    def further_heads(self) -> tuple[str, ...]:
        """Names of the further heads of both readers."""
        return (*self.pixels.further_heads, *(OF_TRACKS + name for name in self.tracks.further_heads))

    @property
    def dim(self) -> int:
        """Width of the states."""
        return self.pixels.dim + self.tracks.dim

    @property
    def layers(self) -> int:
        """Layers of both encoders together."""
        return self.pixels.layers + self.tracks.layers

    @property
    def decoder_layers(self) -> int:
        """Decoder layers of the reader of pixels, whose decoder alone is used."""
        return self.pixels.decoder_layers


class FusedReader(nn.Module):
    """A model of pixels, or pixels and tracks, with the interface of a `LipReader`; ``tracks`` reads tracks alone."""

    words = boundary = None
    modality, sound_form, whole = VIDEO, MEL, False  # tracks accompany the video, where they exist

    def __init__(self, config: FusedConfig):
        super().__init__()
        self.config = config
        self.pixels = LipReader(config.pixels)
        self.tracks = LipReader(config.tracks)

    def encode(self, video: Tensor, lengths: Tensor, inside=None, tracks: Tensor | None = None) -> Tensor:
        """Normalised video (B, T, 1, 88, 88), lengths (B,), tracks (B, T, F) -> states (B, T, P + L).

        A clip whose track features are all zero has no track; None: no clip has one.
        """
        by_pixels = self.pixels.encode(video, lengths)
        by_tracks = by_pixels.new_zeros(*by_pixels.shape[:2], self.config.tracks.dim)
        states = torch.cat([by_pixels, by_tracks], -1)
        return states if tracks is None else self.with_tracks(states, lengths, tracks)

    def with_tracks(self, states: Tensor, lengths: Tensor, tracks: Tensor) -> Tensor:
        """States (B, T, P + L) from pixels alone, tracks (B, T, F) -> states from both."""
        has_track = (tracks != 0).any(2).any(1)
        by_tracks = self.tracks.encode(tracks, lengths) * has_track[:, None, None]
        return torch.cat([self.split(states)[0], by_tracks], -1)

    def asks_for_tracks(self, states: Tensor, lengths: Tensor) -> Tensor:
        """States (B, T, P + L) from pixels -> (B,) bool: the clips in which tracks have a weight above 0."""
        return self.track_weight(self.split(states)[0], lengths) > 0

    def encode_batch(self, batch: Batch) -> Tensor:
        """States (B, T, P + L) of a batch, from its tracks too if it has them."""
        return self.encode(batch.video, batch.lengths, tracks=batch.inputs.get(TRACKS))

    @property
    def heads(self) -> dict[str, PartHead]:
        """The heads of the reader of pixels by their names, and those of the reader of tracks as ``tracks.NAME``."""
        pixels = {
            name: PartHead(head, lambda states: self.split(states)[0]) for name, head in self.pixels.heads.items()
        }
        tracks = {OF_TRACKS + name: head for name, head in self.tracks.heads.items()}
        return pixels | {name: PartHead(head, lambda states: self.split(states)[1]) for name, head in tracks.items()}

    @property
    def further_heads(self) -> dict[str, PartHead]:
        """Further heads of both readers, which the joint search does not use."""
        return {name: self.heads[name] for name in self.config.further_heads}

    def split(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """States (..., P + L) -> states of pixels (..., P) and of tracks (..., L)."""
        return states.split([self.config.pixels.dim, self.config.tracks.dim], -1)

    def track_log_probs(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, P + L), lengths (B,) -> CTC log-probabilities of the tracks over W words, (B, T, W + 3), and
        their weights (B,), 0 for clips without a track."""
        pixels, tracks = self.split(states)
        has_track = (tracks != 0).flatten(1).any(1)
        return self.tracks.ctc_log_probs(tracks).float(), self.track_weight(pixels, lengths) * has_track

    def track_weight(self, pixels: Tensor, lengths: Tensor) -> Tensor:
        """States of pixels (B, T, P), lengths (B,) -> weights of the tracks (B,), by the entropy of ``known_by``."""
        logp = getattr(self.pixels, self.config.known_by)(pixels).float().log_softmax(-1)
        entropy = zero_padding(-(logp.exp() * logp).sum(-1), length_mask(lengths, pixels.shape[1])).sum(1) / lengths
        (low, high), (least, most) = self.config.entropies, self.config.track_weights
        return least + (most - least) * ((entropy - low) / (high - low)).clamp(0, 1)

    @property
    def ctc(self):
        """The CTC head of the reader of pixels: states (..., P + L) -> logits (..., V)."""
        head = required(self.pixels.ctc, "the head of CTC of pixels")
        return lambda states: head(self.split(states)[0])

    @property
    def alignment(self):
        """The frame alignment head of the reader of pixels: states (..., P + L) -> logits (..., V); or None."""
        head = self.pixels.alignment
        return head and (lambda states: head(self.split(states)[0]))

    @property
    def decoder(self) -> PartDecoder:
        """The decoder of the reader of pixels, with the joined states as its input."""
        return PartDecoder(required(self.pixels.decoder, "the decoder of pixels"), lambda states: self.split(states)[0])

    def ctc_log_probs(self, states: Tensor) -> Tensor:
        """States (B, T, P + L) -> CTC log-probabilities (B, T, V)."""
        return self.ctc(states).log_softmax(-1)
