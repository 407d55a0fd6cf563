"""The lip reader: mouth video -> encoder states -> heads (CTC, attention, frame alignment, word classes, others).

Shapes: B batch, T video frames, U tokens, D width, V vocabulary (blank 0 ... start/end V-1).
"""

from __future__ import annotations

from torch import Tensor, nn

from vsr.core.required import required
from vsr.data.batch import Batch
from vsr.models.decoder import Decoder
from vsr.models.heads import CTCHead, FrameHead
from vsr.models.layers import check_layer
from vsr.models.lengths import length_mask
from vsr.models.lipreader_config import (
    LipReaderConfig,
    attention_of,
    encoder_of,
    frontend_of,
    further_heads_of,
    head_of,
    layers_of,
    tokenizer_of_head,
    words_of,
)  # fmt: skip
from vsr.models.outputs import part_of, sources_of
from vsr.models.registry import reads_of, reads_wholes, sound_form_of
from vsr.models.streams import Inputs, frames_in, streams_of_batch, without_padding
from vsr.models.words import WordBoundary

__all__ = [
    "LipReader", "LipReaderConfig", "attention_of", "build_decoder", "encoder_of", "frontend_of", "further_heads_of",
    "head_of", "layers_of", "tokenizer_of_head",
]  # fmt: skip


def build_decoder(config: LipReaderConfig) -> Decoder:
    """The attention decoder that the configuration describes."""
    return attention_of(config).build(config.dim, config.vocab_size)


class LipReader(nn.Module):
    """Front end, encoder and heads, such as the hybrid of CTC and attention (Watanabe et al. 2017)."""

    def __init__(self, config: LipReaderConfig):
        super().__init__()
        self.config = config
        c = config
        part = frontend_of(c)
        self.modality = reads_of(part)  # the modality of a batch, or several, that the front end reads
        self.sound_form = sound_form_of(part)  # the form of the sound, for a front end that reads sound
        self.whole = reads_wholes(part)  # whether every clip must have all of these modalities
        self.frontend = part.build(c.dim)
        self.encoder = encoder_of(c).build(c.dim)
        self.ctc = CTCHead(c.dim, c.vocab_size) if c.ctc_weight else None
        self.alignment = FrameHead(c.dim, c.vocab_size) if c.alignment_weight else None
        self.decoder = build_decoder(c) if c.decoder_layers else None
        self.words = words_of(c).build(c.dim, c.vocab_size) if c.classes else None
        self.boundary = WordBoundary(c.dim) if c.boundary else None
        heads = {name: settings.build(c.dim, c.vocab_size) for name, settings in further_heads_of(c).items()}
        self.further_heads = nn.ModuleDict(heads)
        for layer in layers_of(c).values():
            check_layer(self.encoder, layer)
        for module_path in sources_of(self).values():
            part_of(self, module_path)

    @property
    def heads(self) -> dict[str, nn.Module]:
        """All heads by name: those of "ctc", "attention", "alignment" and "words" that exist, and further heads."""
        built_in = {"ctc": self.ctc, "attention": self.decoder, "alignment": self.alignment, "words": self.words}
        return {name: head for name, head in built_in.items() if head is not None} | dict(self.further_heads)

    def encode_batch(self, batch: Batch) -> Tensor:
        """States (B, T, D) of a batch, from the modalities that this model reads."""
        inside = None if self.boundary is None else batch.inside
        inputs = (
            batch.inputs[self.modality] if isinstance(self.modality, str) else streams_of_batch(batch, self.modality)
        )
        return self.encode(inputs, batch.lengths, inside)

    def encode(self, video: Inputs, lengths: Tensor, inside: Tensor | None = None) -> Tensor:
        """Normalised video (B, T, 1, 88, 88), lengths (B,) -> states (B, T, D), zero on padding. A model of another
        modality takes that in place of video; a model of several takes `vsr.models.streams.Streams`, or video alone.

        ``inside`` (B, T) marks the frames of the word, for a model with word boundaries; None: they are unknown.
        """
        return self.encode_in_steps(video, lengths, inside)[1]

    def encode_in_steps(self, video: Inputs, lengths: Tensor, inside: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As `encode`, with the features of the front end too: (features, states), both (B, T, D)."""
        mask = length_mask(lengths, frames_in(video))
        features = self.frontend(without_padding(video, mask), mask)
        if self.boundary is not None and inside is not None:
            features = self.boundary(features, inside)
        return features, self.encoder(features, mask)

    def ctc_log_probs(self, states: Tensor) -> Tensor:
        """States (B, T, D) -> CTC log-probabilities (B, T, V); the model must have a CTC head."""
        return required(self.ctc, "the head of CTC")(states).log_softmax(-1)
