"""Translates speech units between languages with one model for all pairs: UTUT (Kim et al. 2024).

The encoder reads two units per video frame, as indices or as probabilities. The decoder starts with the token of the
target language, and predicts the units without repetitions and the length of each. AV2AV (Choi et al. 2024) does so
with units that video and audio share. Lengths that fill the source's time exactly have the effect of Dub-S2ST, by
other means: its diffusion over units of fixed length is `lip2speech.models.masked_translator`.

Shapes: B clips, T video frames, N = 2T steps of 50 Hz, U target units without repetitions, K units, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.models.durations import durations_filling, repeat_units, rounded_durations
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
from vsr.models.hypotheses import beam_search
from vsr.models.limits import DROPPED, check_sizes
from vsr.models.targets import shift_tokens

LONGEST = 3  # target units per source step, at most


@TRANSLATORS.register(AUTOREGRESSIVE)
@dataclass(frozen=True)
class TranslatorConfig(TranslatorSizes):
    """Hyperparameters of `UnitTranslator`; ``duration_weight``: of the length loss; ``beam``: width of the search."""

    label_smoothing: float = 0.1
    duration_weight: float = 1.0
    beam: int = 4

    def __post_init__(self):
        super().__post_init__()
        check_sizes(self, beam=COUNT, label_smoothing=DROPPED, duration_weight=NOT_NEGATIVE)

    @property
    def learns(self) -> str:
        """What it is trained on, for a dry run."""
        return f"units and lengths (weight {self.duration_weight:g})"

    def build(self) -> UnitTranslator:
        """Build the module."""
        return UnitTranslator(self)


class UnitDecoder(Decoder):
    """`Decoder` that starts with a language token and never predicts one."""

    languages: tuple[int, ...] = ()

    def step(self, tokens: Tensor, cache: DecoderCache) -> Tensor:
        """As in `Decoder`, with language tokens excluded (-inf)."""
        barred = torch.tensor(self.languages, device=tokens.device)
        return super().step(tokens, cache).index_fill(-1, barred, -torch.inf)


class UnitTranslator(UnitReader):
    """Translates units (B, T, 2), or their probabilities (B, T, 2, K), into units of another language."""

    def __init__(self, config: TranslatorConfig):
        super().__init__(config)
        self.config = c = config
        self.decoder = UnitDecoder(c.vocab_size, c.dim, c.decoder_layers, c.heads, c.hidden, c.dropout)
        self.decoder.languages = tuple(c.token_of(language) for language in c.languages)
        self.length = nn.Linear(c.dim, 1)

    def forward(self, batch: UnitPairs) -> tuple[Tensor, Tensor]:
        """Teacher-forced logits (B, U + 1, V) of units and ends, and log(1 + steps) of each unit (B, U)."""
        tokens_in, _ = self.teacher_forcing(batch)
        hidden = self.decoder.hidden(tokens_in, self.encode(batch.source, batch.lengths), batch.lengths)
        return self.decoder.out(hidden), self.length(hidden[:, 1:])[..., 0]

    def teacher_forcing(self, batch: UnitPairs) -> tuple[Tensor, Tensor]:
        """Input and target tokens of the decoder for teacher forcing, both (B, U + 1)."""
        tokens_in, targets = shift_tokens(batch.tokens, self.config.vocab_size - 1)
        return torch.cat([batch.first[:, None], tokens_in[:, 1:]], 1), targets

    def loss(self, batch: UnitPairs) -> dict[str, Tensor]:
        """Cross-entropy of units and ends, L1 distance of log lengths, and unit accuracy."""
        logits, lengths = self(batch)
        targets, is_unit = self.teacher_forcing(batch)[1], batch.steps > 0
        units = F.cross_entropy(
            logits.float().transpose(1, 2), targets, ignore_index=IGNORE, label_smoothing=self.config.label_smoothing
        )
        length_loss = (lengths.float() - torch.log1p(batch.steps.float())).abs()[is_unit].mean()
        right = (logits.argmax(-1) == targets)[targets != IGNORE].float().mean()
        share = batch.share("units")
        loss = (units + self.config.duration_weight * length_loss) * share
        return {"loss": loss, "units": (units * share).detach(), "lengths": length_loss.detach(), "accuracy": right}

    @torch.no_grad()
    def missed(self, batch: UnitPairs) -> tuple[int, int]:
        """(teacher-forced errors in units and ends, units and ends)."""
        targets = self.teacher_forcing(batch)[1]
        is_target = targets != IGNORE
        return int((self(batch)[0].argmax(-1) != targets)[is_target].sum()), int(is_target.sum())

    @torch.no_grad()
    def translate(self, source: Tensor, lengths: Tensor, language: str, same: bool = True) -> list[Translated]:
        """Translate a source, as in `encode`, into a language: as long as the source (``same``) or of predicted length.

        Raises VsrError too_short where the source is too short for its units.
        """
        states = self.encode(source, lengths)
        first = torch.full_like(lengths, self.config.token_of(language))
        limit = lengths * UNITS_PER_FRAME * (1 if same else LONGEST)
        hypotheses = beam_search(self.decoder, states, lengths, self.config.beam, limit, first, power=1.0)
        results = []
        for row, length in enumerate(lengths):
            of_clip = states[row : row + 1, : int(length)]
            results.append(self._best_units(of_clip, length[None], first[row : row + 1], hypotheses, row, same))
        return results

    def _best_units(
        self, states: Tensor, length: Tensor, first: Tensor, hypotheses, row: int, same: bool
    ) -> Translated:
        """Best hypothesis of a clip by mean log-probability of its units, with its lengths."""
        pairs = zip(hypotheses.lists()[row], hypotheses.ended[row].tolist(), strict=True)
        finished = [tokens for tokens, done in pairs if done and tokens]
        steps = int(length) * UNITS_PER_FRAME
        if not finished:
            return Translated((), -torch.inf)
        scored = [self._score(tokens, states, length, first) for tokens in finished]
        score, logs, units = max(scored, key=lambda candidate: candidate[0])
        durations = torch.expm1(logs).clamp(min=1).tolist()
        counts = durations_filling(durations, steps) if same else rounded_durations(durations)
        counts[-1] += sum(counts) % UNITS_PER_FRAME  # whole video frames
        return Translated(tuple(repeat_units(units, counts)), score, sum(durations) / sum(counts))

    def _score(self, tokens: list[int], states: Tensor, length: Tensor, first: Tensor):
        """(mean log-probability, log(1 + steps) of each unit (U,), units) of one hypothesis."""
        prefix = torch.cat([first, torch.tensor(tokens, device=first.device)])[None]
        hidden = self.decoder.hidden(prefix, states, length)
        logs = self.decoder.out(hidden).float()[0].log_softmax(-1)
        targets = torch.tensor([*tokens, self.config.vocab_size - 1], device=first.device)
        score = logs.gather(-1, targets[:, None]).mean()
        return float(score), self.length(hidden[0, 1:])[:, 0].float(), [token - FIRST for token in tokens]
