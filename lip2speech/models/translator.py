"""Units of speech in one language -> units in another, by one model for all: UTUT (Kim et al. 2024).

An encoder sees the units of two steps of each video frame, as they are or as probabilities; a decoder that begins with
the token of the target language writes the units without repetitions, and how long each lasts. AV2AV (Choi et al.
2024) does so with units that lips and sound share. Lengths that fill the source's time exactly are those of Dub-S2ST
in effect, not in means: its diffusion over units of given length is `lip2speech.models.masked_translator`.

Shapes: B clips, T video frames, N = 2T steps of 50 Hz, U target units without repetitions, K units, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.models.durations import filling, free, repeated
from lip2speech.models.translators import (
    AUTOREGRESSIVE,
    FIRST,
    TRANSLATORS,
    Translated,
    TranslatorSizes,
    UnitPairs,
    UnitReader,
)
from vsr.core.clock import UNITS_PER_FRAME
from vsr.core.numbers import COUNT, NOT_NEGATIVE
from vsr.core.tokens import IGNORE
from vsr.models.decoder import Decoder, DecoderCache
from vsr.models.hypotheses import searched
from vsr.models.limits import DROPPED, check_sizes
from vsr.models.targets import shift_tokens

LONGEST = 3  # target units for each step of the source, at most


@TRANSLATORS.register(AUTOREGRESSIVE)
@dataclass(frozen=True)
class TranslatorConfig(TranslatorSizes):
    """Every number that builds a translator; ``duration_weight``: of the loss of lengths; ``beam``: width of the
    search."""

    label_smoothing: float = 0.1
    duration_weight: float = 1.0
    beam: int = 4

    def __post_init__(self):
        super().__post_init__()
        check_sizes(self, beam=COUNT, label_smoothing=DROPPED, duration_weight=NOT_NEGATIVE)

    @property
    def learns(self) -> str:
        """What from, for a dry run."""
        return f"units and lengths (weight {self.duration_weight:g})"

    def build(self) -> UnitTranslator:
        """Its module."""
        return UnitTranslator(self)


class UnitDecoder(Decoder):
    """`Decoder` that begins with a language's token and never writes one."""

    languages: tuple[int, ...] = ()

    def step(self, tokens: Tensor, cache: DecoderCache) -> Tensor:
        """As of `Decoder`, with nothing left for languages."""
        barred = torch.tensor(self.languages, device=tokens.device)
        return super().step(tokens, cache).index_fill(-1, barred, -torch.inf)


class UnitTranslator(UnitReader):
    """Units (B, T, 2) of a language, or their probabilities (B, T, 2, K) -> units of another."""

    def __init__(self, config: TranslatorConfig):
        super().__init__(config)
        self.config = c = config
        self.decoder = UnitDecoder(c.vocab_size, c.dim, c.decoder_layers, c.heads, c.hidden, c.dropout)
        self.decoder.languages = tuple(c.token_of(own) for own in c.languages)
        self.length = nn.Linear(c.dim, 1)

    def forward(self, batch: UnitPairs) -> tuple[Tensor, Tensor]:
        """Logits (B, U + 1, V) of units and ends after the true ones, and log(1 + steps) of each unit (B, U)."""
        tokens_in, _ = self.taught(batch)
        hidden = self.decoder.hidden(tokens_in, self.encode(batch.source, batch.lengths), batch.lengths)
        return self.decoder.out(hidden), self.length(hidden[:, 1:])[..., 0]

    def taught(self, batch: UnitPairs) -> tuple[Tensor, Tensor]:
        """What the decoder is given and is to give, both (B, U + 1)."""
        tokens_in, targets = shift_tokens(batch.tokens, self.config.vocab_size - 1)
        return torch.cat([batch.first[:, None], tokens_in[:, 1:]], 1), targets

    def loss(self, batch: UnitPairs) -> dict[str, Tensor]:
        """Cross-entropy of units and ends, the L1 distance of log lengths, and the share of units that is right."""
        logits, lengths = self(batch)
        targets, known = self.taught(batch)[1], batch.steps > 0
        units = F.cross_entropy(
            logits.float().transpose(1, 2), targets, ignore_index=IGNORE, label_smoothing=self.config.label_smoothing
        )
        apart = (lengths.float() - torch.log1p(batch.steps.float())).abs()[known].mean()
        right = (logits.argmax(-1) == targets)[targets != IGNORE].float().mean()
        share = batch.share("units")
        loss = (units + self.config.duration_weight * apart) * share
        return {"loss": loss, "units": (units * share).detach(), "lengths": apart.detach(), "accuracy": right}

    @torch.no_grad()
    def missed(self, batch: UnitPairs) -> tuple[int, int]:
        """(units and ends that are not the likeliest after the true ones, units and ends)."""
        targets = self.taught(batch)[1]
        known = targets != IGNORE
        return int((self(batch)[0].argmax(-1) != targets)[known].sum()), int(known.sum())

    @torch.no_grad()
    def translate(self, source: Tensor, lengths: Tensor, language: str, same: bool = True) -> list[Translated]:
        """Source as of `encode` -> units in a language, as long as the source (``same``) or as they come.

        Raises VsrError too_short where the time is too short for them.
        """
        states = self.encode(source, lengths)
        first = torch.full_like(lengths, self.config.token_of(language))
        limit = lengths * UNITS_PER_FRAME * (1 if same else LONGEST)
        found = searched(self.decoder, states, lengths, self.config.beam, limit, first, power=1.0)
        return [
            self._said(states[row : row + 1, : int(own)], own[None], first[row : row + 1], found, row, same)
            for row, own in enumerate(lengths)
        ]

    def _said(self, states: Tensor, length: Tensor, first: Tensor, found, row: int, same: bool) -> Translated:
        """The best hypothesis of a clip, by the mean log-probability of its units, with its lengths."""
        each = [own for own, done in zip(found.lists()[row], found.ended[row].tolist(), strict=True) if done and own]
        steps = int(length) * UNITS_PER_FRAME
        if not each:
            return Translated((), -torch.inf)
        scored = [self._scored(own, states, length, first) for own in each]
        score, logs, units = max(scored, key=lambda one: one[0])
        wanted = torch.expm1(logs).clamp(min=1).tolist()
        counts = filling(wanted, steps) if same else free(wanted)
        counts[-1] += sum(counts) % UNITS_PER_FRAME  # whole video frames
        return Translated(tuple(repeated(units, counts)), score, sum(wanted) / sum(counts))

    def _scored(self, tokens: list[int], states: Tensor, length: Tensor, first: Tensor):
        """(mean log-probability, log(1 + steps) of each unit (U,), its units) of one hypothesis."""
        given = torch.cat([first, torch.tensor(tokens, device=first.device)])[None]
        hidden = self.decoder.hidden(given, states, length)
        logs = self.decoder.out(hidden).float()[0].log_softmax(-1)
        wanted = torch.tensor([*tokens, self.config.vocab_size - 1], device=first.device)
        score = logs.gather(-1, wanted[:, None]).mean()
        return float(score), self.length(hidden[0, 1:])[:, 0].float(), [token - FIRST for token in tokens]
