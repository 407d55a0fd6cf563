"""Two readers of the same lips fused in one search: a complete reader of pixels, and one of tracks of mouth points.

They meet where they can be weighed against each other, in the probability of a text: the search adds what the tracks'
CTC head says of its words. Pixels know few people well, tracks know many a little; states joined by trained layers
would trust the pixels of an unseen speaker as much as those of the people they were trained on.

Shapes: B batch, T frames, U tokens, K hypotheses, V vocabulary, F features of a track, P and L the widths of the two
readers. States are (B, T, P + L), with zeros in the part of a reader that saw nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vsr.core.present import present
from vsr.data.batch import TRACKS, Batch
from vsr.data.modalities import MEL, VIDEO
from vsr.models.joined_heads import PartDecoder, PartHead
from vsr.models.lengths import length_mask, zero_padding
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.registry import FUSIONS

OF_TRACKS = "tracks."  # before the name of a head of the reader of tracks

KNOWN_BY = ("alignment", "ctc")  # heads by whose entropy the reader of pixels knows a speaker


@FUSIONS.register("word_evidence")
@dataclass(frozen=True)
class FusedConfig:
    """The two readers' settings, the words that the reader of tracks knows, and the weight of its CTC in the joint
    score. The vocabulary is that of the reader of pixels.

    The weight is the first of ``track_weights`` where the reader of pixels knows the speaker, and the second where it
    does not. It knows him by how sure one of its heads, ``known_by`` ("alignment" or "ctc"), is of the frames' tokens:
    ``entropies`` are the mean entropies (nats) up to which the first weight holds, and from which the second; between
    them the weight runs straight. CTC's tells speakers apart better: the other head's also grows on hard clips of
    people who are known.

    Tracks of a head that is turned further aside than ``widest_turn`` (degrees; 0: any) are not asked: those of frontal
    faces say little of a mouth that is seen from the side.
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
            if isinstance(given := getattr(self, name), dict):
                object.__setattr__(self, name, LipReaderConfig(**given))
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
        """Of the reader of pixels, whose tokens are written."""
        return self.pixels.vocab_size

    @property
    def frontend(self) -> str:
        """Both, as people read them."""
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
        """Of both encoders."""
        return self.pixels.layers + self.tracks.layers

    @property
    def decoder_layers(self) -> int:
        """Of the reader of pixels, which alone is asked for the next token."""
        return self.pixels.decoder_layers


class FusedReader(nn.Module):
    """Reads pixels, or pixels and tracks, with the interface of a `LipReader`. Tracks alone are read by `tracks`."""

    words = boundary = None
    modality, sound_form, whole = VIDEO, MEL, False  # tracks come beside the video, where there are some

    def __init__(self, config: FusedConfig):
        super().__init__()
        self.config = config
        self.pixels = LipReader(config.pixels)
        self.tracks = LipReader(config.tracks)

    def encode(self, video: Tensor, lengths: Tensor, inside=None, tracks: Tensor | None = None) -> Tensor:
        """Normalised video (B, T, 1, 88, 88), lengths (B,), tracks (B, T, F) -> states (B, T, P + L).

        A clip whose features are all zero has no track; None: none of them has.
        """
        by_pixels = self.pixels.encode(video, lengths)
        by_tracks = by_pixels.new_zeros(*by_pixels.shape[:2], self.config.tracks.dim)
        states = torch.cat([by_pixels, by_tracks], -1)
        return states if tracks is None else self.with_tracks(states, lengths, tracks)

    def with_tracks(self, states: Tensor, lengths: Tensor, tracks: Tensor) -> Tensor:
        """States (B, T, P + L) of pixels alone, and tracks (B, T, F) -> states of both."""
        there = (tracks != 0).any(2).any(1)
        by_tracks = self.tracks.encode(tracks, lengths) * there[:, None, None]
        return torch.cat([self.split(states)[0], by_tracks], -1)

    def asks_for_tracks(self, states: Tensor, lengths: Tensor) -> Tensor:
        """States (B, T, P + L) of pixels -> (B,) bool: the clips in which the tracks would have a say."""
        return self.track_weight(self.split(states)[0], lengths) > 0

    def encode_batch(self, batch: Batch) -> Tensor:
        """States (B, T, P + L) of a batch, with its tracks if it has some."""
        return self.encode(batch.video, batch.lengths, tracks=batch.inputs.get(TRACKS))

    @property
    def heads(self) -> dict[str, PartHead]:
        """The heads of the reader of pixels by their names, and those of the reader of tracks as ``tracks.NAME``."""
        own = {name: PartHead(head, lambda states: self.split(states)[0]) for name, head in self.pixels.heads.items()}
        tracks = {OF_TRACKS + name: head for name, head in self.tracks.heads.items()}
        return own | {name: PartHead(head, lambda states: self.split(states)[1]) for name, head in tracks.items()}

    @property
    def further_heads(self) -> dict[str, PartHead]:
        """Those that neither reader needs for the search of both."""
        return {name: self.heads[name] for name in self.config.further_heads}

    def split(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """States (..., P + L) -> those of pixels and of tracks."""
        return states.split([self.config.pixels.dim, self.config.tracks.dim], -1)

    def said_by_tracks(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, P + L), lengths (B,) -> what the tracks' CTC head says, (B, T, W + 3), and with what weight,
        (B,), which is 0 for clips without a track."""
        pixels, own = self.split(states)
        there = (own != 0).flatten(1).any(1)
        return self.tracks.ctc_log_probs(own).float(), self.track_weight(pixels, lengths) * there

    def track_weight(self, pixels: Tensor, lengths: Tensor) -> Tensor:
        """States of the pixels (B, T, P) -> (B,): more where they are of somebody unknown."""
        logs = getattr(self.pixels, self.config.known_by)(pixels).float().log_softmax(-1)
        entropy = zero_padding(-(logs.exp() * logs).sum(-1), length_mask(lengths, pixels.shape[1])).sum(1) / lengths
        (low, high), (least, most) = self.config.entropies, self.config.track_weights
        return least + (most - least) * ((entropy - low) / (high - low)).clamp(0, 1)

    @property
    def ctc(self):
        """The CTC head of the pixels: states (..., P + L) -> logits (..., V)."""
        head = present(self.pixels.ctc, "the head of CTC of pixels")
        return lambda states: head(self.split(states)[0])

    @property
    def alignment(self):
        """The head of the frames' tokens, likewise; None where there is none."""
        head = self.pixels.alignment
        return head and (lambda states: head(self.split(states)[0]))

    @property
    def decoder(self) -> PartDecoder:
        """The decoder of the reader of pixels, as one over the joined states."""
        return PartDecoder(present(self.pixels.decoder, "the decoder of pixels"), lambda states: self.split(states)[0])

    def ctc_log_probs(self, states: Tensor) -> Tensor:
        """States (B, T, P + L) -> CTC log-probabilities (B, T, V)."""
        return self.ctc(states).log_softmax(-1)
