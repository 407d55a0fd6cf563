"""Translates units into as many units of another language in parallel: masked discrete diffusion (Dub-S2ST, 2025).

The target has the length of the source, so that dubbed speech keeps its timing. It starts fully masked and is filled
in a few rounds, the most confident units first. The network sees the whole target and attends to the source's states,
because word order differs between languages. Its other inputs are the target language and the pace r, the number of
units without repetitions over steps; in translation r is that of the source. ours: in training a target's repetitions
are scaled to fill the source's time exactly; Dub-S2ST scales them by r of source over r of target, and accepts the
length that results.

Shapes: B clips, T video frames, N = 2T steps of 50 Hz, U target units without repetitions, K units, D width; MASK is K.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from lip2speech.models.durations import durations_filling, repeat_units, runs
from lip2speech.models.masked_tokens import fill_masked
from lip2speech.models.translators import FIRST, TRANSLATORS, Translated, TranslatorSizes, UnitPairs, UnitReader
from vsr.core.clock import UNITS_PER_FRAME
from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, NOT_NEGATIVE, SEED
from vsr.core.tokens import IGNORE
from vsr.models.decoder import DecoderLayer
from vsr.models.lengths import key_mask, length_mask, sinusoid
from vsr.models.limits import check_sizes

EPS = 1e-5


@TRANSLATORS.register("masked")
@dataclass(frozen=True)
class MaskedTranslatorConfig(TranslatorSizes):
    """Hyperparameters of `MaskedTranslator`; ``rounds``: in which a target is filled; ``temperature``: of sampling in
    them, 0 for the most probable; ``seed``: of sampling."""

    rounds: int = 8
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        check_sizes(self, rounds=COUNT, temperature=NOT_NEGATIVE, seed=SEED)

    @property
    def learns(self) -> str:
        """What it is trained on, for a dry run."""
        return f"units under a mask, filled in {self.rounds} rounds,"

    def build(self) -> MaskedTranslator:
        """Build the module."""
        return MaskedTranslator(self)


class MaskedTranslator(UnitReader):
    """Units (B, T, 2) of a language, or their probabilities (B, T, 2, K) -> as many of another."""

    own_length = False

    def __init__(self, config: MaskedTranslatorConfig):
        super().__init__(config)
        self.config = c = config
        self.units = nn.Embedding(c.units + 1, c.dim)
        self.languages = nn.Embedding(len(c.languages), c.dim)
        self.pace = nn.Linear(1, c.dim)
        self.layers = nn.ModuleList(
            DecoderLayer(c.dim, c.heads, c.hidden, c.dropout, EPS) for _ in range(c.decoder_layers)
        )
        self.norm, self.out = nn.LayerNorm(c.dim, EPS), nn.Linear(c.dim, c.units)

    def forward(self, codes: Tensor, states: Tensor, lengths: Tensor, first: Tensor, pace: Tensor) -> Tensor:
        """Logits (B, N, K) for codes (B, N), K where masked, given states (B, T, D) of lengths (B,), language tokens
        (B,) and paces (B,)."""
        steps = torch.arange(codes.shape[1], device=codes.device)
        context = self.languages(first - FIRST - self.size) + self.pace(pace[:, None])
        x = self.units(codes) + sinusoid(steps, states.shape[-1]).to(states.dtype) + context[:, None]
        source_mask = key_mask(length_mask(lengths, states.shape[1]))
        self_mask = key_mask(length_mask(UNITS_PER_FRAME * lengths, codes.shape[1]))
        for layer in self.layers:
            x = layer(x, states, self_mask, source_mask)
        return self.out(self.norm(x)).float()

    def loss(self, batch: UnitPairs) -> dict[str, Tensor]:
        """Cross-entropy and accuracy of the masked units. A clip that is too short for its units has no loss."""
        codes, pace = stretched_targets(batch)
        real = codes != IGNORE
        ratio = torch.cos(torch.pi / 2 * torch.rand(len(codes), 1, device=codes.device))
        hidden = torch.rand(codes.shape, device=codes.device) < ratio
        hidden[:, 0] = True  # at least one
        is_target = hidden & real
        states = self.encode(batch.source, batch.lengths)
        masked = codes.clamp(min=0).masked_fill(hidden, self.size)
        logits = self(masked, states, batch.lengths, batch.first, pace)[is_target]
        right = (logits.argmax(-1) == codes[is_target]).float().sum() / is_target.sum().clamp(min=1)
        loss = F.cross_entropy(logits, codes[is_target], reduction="sum") / is_target.sum().clamp(min=1)
        return {"loss": loss * batch.share("units"), "accuracy": right}

    @torch.no_grad()
    def missed(self, batch: UnitPairs) -> tuple[int, int]:
        """(wrong units if all are masked and filled in one round, units)."""
        codes, pace = stretched_targets(batch)
        real = codes != IGNORE
        states = self.encode(batch.source, batch.lengths)
        logits = self(torch.full_like(codes, self.size), states, batch.lengths, batch.first, pace)
        return int((logits.argmax(-1) != codes)[real].sum()), int(real.sum())

    @torch.no_grad()
    def translate(self, source: Tensor, lengths: Tensor, language: str, same: bool = True) -> list[Translated]:
        """Translate a source, as in `encode`, into as many units of a language; clips do not affect each other.

        Raises VsrError bad_options unless ``same``.
        """
        if not same:
            raise VsrError("bad_options", "this translator keeps the length of the source: give --duration same")
        states = self.encode(source, lengths)
        units = source.argmax(-1) if source.dim() == 4 else source
        first = torch.full((1,), self.config.token_of(language), device=source.device)
        results = []
        for row, length in enumerate(lengths):
            pace = pace_of(units[row, : int(length)].flatten())
            results.append(self._translate_clip(states[row : row + 1, : int(length)], length[None], first, pace))
        return results

    def _translate_clip(self, states: Tensor, length: Tensor, first: Tensor, pace: float) -> Translated:
        """Translate one clip in rounds."""
        steps, cache = UNITS_PER_FRAME * int(length), {}
        paces = torch.tensor([pace], device=states.device)

        def score(codes: Tensor) -> Tensor:
            cache["logits"] = self(codes[None], states, length, first, paces)[0]
            return cache["logits"]

        masked = torch.full((steps,), self.size, device=states.device)
        generator = torch.Generator().manual_seed(self.config.seed)
        codes = fill_masked(score, masked, self.size, self.config.rounds, self.config.temperature, generator)
        logs = cache["logits"].log_softmax(-1).gather(1, codes[:, None])
        return Translated(tuple(codes.tolist()), float(logs.mean()) if steps else -math.inf)


def pace_of(units: Tensor) -> float:
    """Number of units without repetitions over number of steps, for units (N,)."""
    return len(runs(units.tolist())[0]) / max(1, len(units))


def stretched_targets(batch: UnitPairs) -> tuple[Tensor, Tensor]:
    """Targets of a batch, stretched to the lengths of their sources: codes (B, N), -1 on padding and for clips that are
    too short for their units; paces (B,)."""
    codes, paces = [], []
    counts = (batch.tokens != IGNORE).sum(1).tolist()
    for row, (length, count) in enumerate(zip(batch.lengths.tolist(), counts, strict=True)):
        steps = UNITS_PER_FRAME * length
        paces.append(min(1.0, count / steps))
        if not 0 < count <= steps:
            codes.append(torch.full((steps,), IGNORE))
            continue
        units = (batch.tokens[row, :count] - FIRST).tolist()
        codes.append(torch.tensor(repeat_units(units, durations_filling(batch.steps[row, :count].tolist(), steps))))
    device = batch.tokens.device
    return pad_sequence(codes, True, IGNORE).to(device), torch.tensor(paces, device=device)
