"""Text by a whole Whisper whose encoder reads adapted states in place of sound, as in CoGenAV (Bai et al. 2025).

States, doubled to the number of positions of Whisper's encoder, replace the output of its two convolutions; its
position embeddings are added, and an adapter follows before its layers. Whisper is borrowed and frozen.

Shapes: B clips, N frames of the window (half of the positions of Whisper's encoder), D width of the states and of
Whisper, U tokens with the end, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.clock import UNITS_PER_FRAME
from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, Range
from vsr.models.attention import MultiHeadAttention
from vsr.models.limits import check_heads, check_sizes
from vsr.models.registry import HEADS
from vsr.models.whisper_head import WhisperHead, WhisperHeadSettings, loaded_whisper, whisper_on_meta
from vsr.models.whisper_search import WhisperBeam, suppressed_by
from vsr.text.hub_tokenizer import HubTokenizer
from vsr.text.hypothesis import Hypothesis

EXPANSION = 4  # of the adapter's feed-forward network
PATIENCE = Range(above=0, most=10)


class Doubled(nn.Module):
    """States (B, N, D) -> (B, 2 N, D): two copies one after the other, to each of which a convolution over neighbouring
    states is added. The published layers do not interleave the two."""

    def __init__(self, dim: int):
        super().__init__()
        self.change = nn.Conv1d(dim, UNITS_PER_FRAME * dim, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        change = F.gelu(self.change(x.transpose(1, 2))).transpose(1, 2)
        return torch.cat([x + change[..., k::UNITS_PER_FRAME] for k in range(UNITS_PER_FRAME)], 1)


class GatedFeedForward(nn.Module):
    """x -> x + sigmoid(gate(x)) * value(x), each of two layers."""

    def __init__(self, dim: int):
        super().__init__()
        self.gate, self.value = (
            nn.Sequential(nn.Linear(dim, EXPANSION * dim), nn.GELU(), nn.Linear(EXPANSION * dim, dim)) for _ in "gv"
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gate(x).sigmoid() * self.value(x)


class AdapterLayer(nn.Module):
    """Attention of x to the input of the adapter, then a feed-forward network, each residual and post-norm."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.attention = MultiHeadAttention(dim, heads)
        self.norm_attention, self.norm = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, x: Tensor, memory: Tensor, feed_forward: nn.Module) -> Tensor:
        x = self.norm_attention(x + self.attention(x, memory))
        return self.norm(x + feed_forward(x))


class Adapter(nn.Module):
    """(B, P, D) -> (B, P, D); its layers share one feed-forward network, as published."""

    def __init__(self, dim: int, layers: int, heads: int):
        super().__init__()
        self.layers = nn.ModuleList(AdapterLayer(dim, heads) for _ in range(layers))
        self.feed_forward = GatedFeedForward(dim)

    def forward(self, x: Tensor) -> Tensor:
        adapter_input = x
        for layer in self.layers:
            x = layer(x, adapter_input, self.feed_forward)
        return x


class AdaptedWhisper(WhisperHead):
    """States (B, N, D) of a whole window (`vsr.models.fixed_window`) -> text.

    Args:
        whisper: of transformers, on the device "meta" until it is borrowed.
        dim, layers, heads: D; the adapter's layers and attention heads.
        tokenizer, prefix, backbone, hashes, beams: as in `WhisperHead`.
        patience: of the search (`vsr.models.whisper_search`).
    """

    learns = "text by Whisper, whose encoder reads the states through an adapter"

    def __init__(
        self, whisper: Any, dim: int, layers: int, heads: int, tokenizer: HubTokenizer, prefix: Sequence[str],
        backbone: str, hashes: dict[str, str], beams: int, patience: float,
    ):  # fmt: skip
        super().__init__(tokenizer, prefix, backbone, hashes, beams)
        if whisper.config.d_model != dim:
            raise ValueError(f"dim is {dim}: it must be Whisper's, {whisper.config.d_model}")
        self.patience = patience
        self.doubled, self.adapter = Doubled(dim), Adapter(dim, layers, heads)
        self.whisper = whisper.requires_grad_(False)

    def borrow(self) -> str:
        """Load Whisper's weights. Raises VsrError."""
        self.whisper, licence = loaded_whisper(self.backbone, self.hashes, self.whisper.config.d_model)
        self.whisper.eval()
        return f"Whisper of {self.backbone}: licence {licence}"

    def heard(self, states: Tensor) -> Tensor:
        """States (B, N, D) -> states of Whisper's encoder, (B, 2 N, D). Raises VsrError bad_config if N is not the
        length of Whisper's window."""
        encoder = self.whisper.model.encoder
        table = encoder.embed_positions.weight
        if UNITS_PER_FRAME * states.shape[1] != len(table):
            problem = f"states of {states.shape[1]} frames, and Whisper's window is of {len(table) // UNITS_PER_FRAME}"
            raise VsrError("bad_config", f'{problem}: give front end and encoder of kind "window"')
        x = self.adapter(self.doubled(states) + table)
        for layer in encoder.layers:
            x = layer(x, None)
            x = x if isinstance(x, Tensor) else x[0]  # a tuple before transformers 5
        return encoder.layer_norm(x)

    def logits(self, states: Tensor, length: int, text: Sequence[int]) -> Tensor:
        """States (N, D) of one clip -> logits (U, V) of the tokens of a text and of its end."""
        begin = self.begin()
        tokens = torch.tensor([[*begin, *text]], device=states.device)
        encoder_outputs = (self.heard(states[None]),)
        logits = self.whisper(encoder_outputs=encoder_outputs, decoder_input_ids=tokens, use_cache=False).logits
        return logits[0, len(begin) - 1 :]

    def search(self, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[Hypothesis]]:
        """Whisper's beam search over each clip; scores are natural log-probabilities of the text and its end, and
        hypotheses are ordered by their mean."""
        begin, beams = self.begin(), max(self.beams, nbest)
        banned = (suppressed_by(self.whisper, name) for name in ("suppress_tokens", "begin_suppress_tokens"))
        beam = WhisperBeam(beams, self.patience, tuple(begin), self.tokenizer.eos_id, *banned)
        most = self.whisper.config.max_target_positions // 2
        return [beam.run(self.whisper, self.heard(clip_states[None]), most)[:nbest] for clip_states in states]


@HEADS.register("adapted_whisper")
@dataclass(frozen=True)
class AdaptedWhisperSettings(WhisperHeadSettings):
    """Settings of `AdaptedWhisper`; beams and patience are the published ones."""

    beams: int = 3
    layers: int = 3
    heads: int = 8
    patience: float = 2.0

    def __post_init__(self):
        super().__post_init__()
        check_sizes(self, layers=COUNT, heads=COUNT, patience=PATIENCE)

    def build(self, dim: int, vocab_size: int) -> AdaptedWhisper:
        c = self
        check_heads("dim", dim, "heads", c.heads)
        return AdaptedWhisper(
            whisper_on_meta(c.backbone, c.sizes), dim, c.layers, c.heads, self.tokenizer(None), c.prefix, c.backbone,
            dict(c.sha256), c.beams, c.patience,
        )  # fmt: skip
