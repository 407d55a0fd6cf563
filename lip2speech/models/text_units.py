"""Text -> units of speech with their durations, without lips: the text part of TAEM.

Phones are read by a Transformer, which says how long each lasts; each phone's state is repeated as often, and a
Conformer writes the units of every step. So text is spoken by whatever speaks units (`lip2speech.inference.saying`).
published: no sizes, and latents of sound where there are units here. ours: each step also knows how far through its
phone it is.

Shapes: B texts, U phones (the pauses before, between and after words are phones, too), N steps of 50 Hz, the sum of the
phones' durations, K units, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from lip2speech.models.translators import TranslatorSizes
from vsr.core.numbers import NOT_NEGATIVE
from vsr.core.tokens import IGNORE
from vsr.data.batch import Counted
from vsr.models.conformer import Conformer
from vsr.models.lengths import length_mask
from vsr.models.limits import check_sizes
from vsr.models.relative_transformer import RelativeTransformer

PAUSE, FIRST = 0, 1  # ids: nothing is said; the first phone of the list
LASTS = 250  # steps of a phone at most, in saying a text
TEXT = "text"  # what `model.kind` of a configuration is


@dataclass(frozen=True)
class TextUnitsConfig(TranslatorSizes):
    """Every number that builds it; ``phones``: IPA labels in the order of their ids; ``scripts``: those of the texts
    that it has learnt from; ``layers`` read phones, ``decoder_layers`` write units; ``duration_weight``: of the loss of
    durations."""

    phones: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    duration_weight: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "phones", tuple(self.phones))
        object.__setattr__(self, "scripts", tuple(self.scripts))
        check_sizes(self, duration_weight=NOT_NEGATIVE)
        if not self.phones or len(set(self.phones)) < len(self.phones):
            raise ValueError("phones must be given, each once")

    def ids(self, labels: Sequence[str]) -> list[int]:
        """Ids of phones; "" is a pause. Raises ValueError for a label that is not in the list."""
        known = {"": PAUSE} | {label: FIRST + place for place, label in enumerate(self.phones)}
        if unknown := [label for label in labels if label not in known]:
            raise ValueError(f"the phone {unknown[0]!r} is not one of the training clips")
        return [known[label] for label in labels]


@dataclass
class PhoneBatch(Counted):
    """phones (B, U) ids; lengths (B,) of them; steps (B, U) of each, 0 on padding; language (B,) its place in the
    model's list; units (B, N), -1 on padding."""

    phones: Tensor
    lengths: Tensor
    steps: Tensor
    language: Tensor
    units: Tensor

    def counts(self) -> dict[str, Tensor]:
        """Steps of units, and phones."""
        return {"units": (self.units != IGNORE).sum().float(), "phones": self.lengths.sum().float()}


class TextUnits(nn.Module):
    """Phones (B, U) -> their durations (B, U) and the units of every step (B, N)."""

    def __init__(self, config: TextUnitsConfig):
        super().__init__()
        self.config = c = config
        self.phone = nn.Embedding(FIRST + len(c.phones), c.dim)
        self.language = nn.Embedding(len(c.languages), c.dim)
        for own in (self.phone, self.language):
            nn.init.normal_(own.weight, std=c.dim**-0.5)
        self.reader = RelativeTransformer(c.dim, c.layers, c.heads, c.hidden, c.dropout, norm="layer")
        self.duration = nn.Linear(c.dim, 1)
        self.placed = nn.Linear(c.dim + 1, c.dim)
        self.writer = Conformer(c.dim, c.decoder_layers, c.heads, c.hidden, c.kernel, c.dropout)
        self.out = nn.Linear(c.dim, c.units)

    def read(self, phones: Tensor, lengths: Tensor, language: Tensor) -> Tensor:
        """-> states (B, U, D), zero on padding."""
        return self.reader(self.phone(phones) + self.language(language)[:, None], length_mask(lengths, phones.shape[1]))

    def durations(self, states: Tensor) -> Tensor:
        """States (B, U, D) -> log(1 + steps) of each phone (B, U)."""
        return self.duration(states)[..., 0].float()

    def write(self, states: Tensor, steps: Tensor) -> Tensor:
        """States (B, U, D) and whole durations (B, U) -> logits (B, N, K)."""
        x, mask = regulated(states, steps)
        return self.out(self.writer(self.placed(x), mask)).float()

    def forward(self, batch: PhoneBatch) -> tuple[Tensor, Tensor]:
        """Logits of units (B, N, K) at the true durations, and log(1 + steps) of each phone (B, U)."""
        states = self.read(batch.phones, batch.lengths, batch.language)
        return self.write(states, batch.steps), self.durations(states)

    def loss(self, batch: PhoneBatch) -> dict[str, Tensor]:
        """Cross-entropy of units, the L1 distance of log durations, and the share of units that is right."""
        logits, logs = self(batch)
        units = F.cross_entropy(logits.transpose(1, 2), batch.units, ignore_index=IGNORE) * batch.share("units")
        known = length_mask(batch.lengths, logs.shape[1])
        apart = (logs - torch.log1p(batch.steps.float())).abs()[known].mean() * batch.share("phones")
        right = (logits.argmax(-1) == batch.units)[batch.units != IGNORE].float().mean()
        loss = units + self.config.duration_weight * apart
        return {"loss": loss, "units": units.detach(), "durations": apart.detach(), "accuracy": right}

    @torch.no_grad()
    def lasting(self, phones: Sequence[int], language: int) -> list[float]:
        """Phones (U,) -> the steps that each lasts (U,), 1 to 250."""
        return torch.expm1(self.durations(self._alone(phones, language)))[0].clamp(1, LASTS).tolist()

    @torch.no_grad()
    def say(self, phones: Sequence[int], language: int, steps: Sequence[int]) -> list[int]:
        """Phones (U,) that last whole steps (U,) -> units (N,)."""
        given = torch.tensor([list(steps)], device=self.out.weight.device)
        return self.write(self._alone(phones, language), given)[0].argmax(-1).tolist()

    def _alone(self, phones: Sequence[int], language: int) -> Tensor:
        """States (1, U, D) of one text."""
        given, length, spoken = (
            torch.tensor(own, device=self.out.weight.device) for own in ([list(phones)], [len(phones)], [language])
        )
        return self.read(given, length, spoken)


def regulated(states: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Length regulation: states (B, U, D) each repeated as often as ``steps`` (B, U) says -> (B, N, D + 1), the last
    number how far through its phone a step is, from 0 to 1, and mask (B, N), True on real steps."""
    found = []
    for state, count in zip(states, steps, strict=True):
        which = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
        since = torch.arange(len(which), device=count.device) - (count.cumsum(0) - count)[which]
        place = (since + 0.5) / count[which]
        found.append(torch.cat([state[which], place[:, None].to(state.dtype)], 1))
    x = pad_sequence(found, True)
    return x, length_mask(steps.sum(1), x.shape[1])
