"""Units of speech in one language -> units in another, by one model for all: UTUT (Kim et al. 2024).

An encoder sees the units of two steps of each video frame, as they are or as probabilities; a decoder that begins with
the token of the target language writes the units without repetitions, and how long each lasts. AV2AV (Choi et al.
2024) does so with units that lips and sound share. Lengths that fill the source's time exactly are those of Dub-S2ST
in effect, not in means: there a diffusion over units of given length does it.

Shapes: B clips, T video frames, N = 2T steps of 50 Hz, U target units without repetitions, K units, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.models.durations import filling, free, repeated
from vsr.core.clock import UNITS_PER_FRAME
from vsr.core.numbers import COUNT, NOT_NEGATIVE
from vsr.core.tokens import IGNORE, UNK
from vsr.data.batch import Counted
from vsr.models.conformer import Conformer
from vsr.models.decoder import Decoder, DecoderCache
from vsr.models.hypotheses import searched
from vsr.models.lengths import length_mask
from vsr.models.limits import DROPPED, check_heads, check_sizes
from vsr.models.targets import shift_tokens
from vsr.models.unit_bridge import UnitEmbedding

FIRST = UNK + 1  # token of unit 0
LONGEST = 3  # target units for each step of the source, at most


@dataclass(frozen=True)
class TranslatorConfig:
    """Every number that builds a translator; ``units``: K of its codebook, ``languages`` in the order of their tokens;
    ``duration_weight``: of the loss of lengths; ``beam``: width of the search."""

    languages: tuple[str, ...] = ()
    units: int = 200
    dim: int = 192
    heads: int = 4
    hidden: int = 576
    kernel: int = 15
    layers: int = 3
    decoder_layers: int = 3
    dropout: float = 0.1
    label_smoothing: float = 0.1
    duration_weight: float = 1.0
    beam: int = 4

    def __post_init__(self):
        object.__setattr__(self, "languages", tuple(self.languages))
        counts = ("units", "dim", "heads", "hidden", "kernel", "layers", "decoder_layers", "beam")
        check_sizes(
            self, **dict.fromkeys(counts, COUNT), dropout=DROPPED, label_smoothing=DROPPED, duration_weight=NOT_NEGATIVE
        )
        check_heads("dim", self.dim, "heads", self.heads)
        if not self.languages or len(set(self.languages)) < len(self.languages):
            raise ValueError("languages must be given, each once")

    @property
    def vocab_size(self) -> int:
        """Blank, unknown, units, languages, end."""
        return FIRST + self.units + len(self.languages) + 1

    def token_of(self, language: str) -> int:
        """The token that a translation into a language begins with."""
        return FIRST + self.units + self.languages.index(language)


@dataclass
class UnitPairs(Counted):
    """source (B, T, 2) units; lengths (B,) video frames; tokens (B, U), padded with -1; counts (B, U) steps of each,
    0 on padding; first (B,): the token of the language."""

    source: Tensor
    lengths: Tensor
    tokens: Tensor
    steps: Tensor
    first: Tensor

    def counts(self) -> dict[str, Tensor]:
        """Target units with their ends."""
        known = (self.tokens != IGNORE).sum() + len(self.tokens)
        return {"units": known.float()}


@dataclass(frozen=True)
class Translated:
    """``units`` (N',) of 50 Hz, an even number of them; ``score``: mean log-probability of a unit; ``pace``: how many
    times as fast as the model would have said it."""

    units: tuple[int, ...]
    score: float
    pace: float = 1.0


class UnitDecoder(Decoder):
    """`Decoder` that begins with a language's token and never writes one."""

    languages: tuple[int, ...] = ()

    def step(self, tokens: Tensor, cache: DecoderCache) -> Tensor:
        """As of `Decoder`, with nothing left for languages."""
        barred = torch.tensor(self.languages, device=tokens.device)
        return super().step(tokens, cache).index_fill(-1, barred, -torch.inf)


class UnitTranslator(nn.Module):
    """Units (B, T, 2) of a language, or their probabilities (B, T, 2, K) -> units of another."""

    def __init__(self, config: TranslatorConfig):
        super().__init__()
        self.config = c = config
        self.embed = UnitEmbedding(c.dim, UNITS_PER_FRAME, c.units)
        self.encoder = Conformer(c.dim, c.layers, c.heads, c.hidden, c.kernel, c.dropout)
        self.decoder = UnitDecoder(c.vocab_size, c.dim, c.decoder_layers, c.heads, c.hidden, c.dropout)
        self.decoder.languages = tuple(c.token_of(own) for own in c.languages)
        self.length = nn.Linear(c.dim, 1)

    def encode(self, source: Tensor, lengths: Tensor) -> Tensor:
        """-> states (B, T, D), zero on padding."""
        shares = source if source.dim() == 4 else F.one_hot(source, self.config.units)
        mask = length_mask(lengths, source.shape[1])
        features = self.embed(shares.to(self.embed.weight.dtype)) * mask[..., None]
        return self.encoder(features, mask)

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
    def translate(self, source: Tensor, lengths: Tensor, language: str, same: bool = True) -> list[Translated]:
        """Source as of `encode` -> units in a language, as long as the source (``same``) or as they come.

        Raises VsrError too_short where the time is too short for them.
        """
        states = self.encode(source, lengths)
        first = torch.full_like(lengths, self.config.token_of(language))
        limit = lengths * UNITS_PER_FRAME * (1 if same else LONGEST)
        found = searched(self.decoder, states, lengths, self.config.beam, limit, first)
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
