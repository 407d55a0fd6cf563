"""Predicts speech units and their durations from text, without video: the text part of TAEM.

A Transformer encodes the phones and predicts their durations; each phone's state is repeated for its duration, and a
Conformer predicts the unit of every step. Any unit vocoder can then synthesise it (`lip2speech.inference.saying`).
published: no sizes, and audio latents instead of units. ours: each step also has its relative position in its phone
as input.

Shapes: B texts, U phones (including the pauses before, between and after words), N steps of 50 Hz, the sum of the
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

PAUSE, FIRST = 0, 1  # ids of the pause and of the first phone of the list
DURATION_RANGE = 250  # steps of a phone at most, in synthesis
TEXT = "text"  # value of `model.kind` in a configuration


@dataclass(frozen=True)
class TextUnitsConfig(TranslatorSizes):
    """Hyperparameters of `TextUnits`; ``phones``: IPA labels in the order of their ids; ``scripts``: of the training
    texts; ``layers``: of the phone encoder; ``decoder_layers``: of the unit decoder; ``duration_weight``: of the
    duration loss."""

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
        id_of_label = {"": PAUSE} | {label: FIRST + index for index, label in enumerate(self.phones)}
        if unknown := [label for label in labels if label not in id_of_label]:
            raise ValueError(f"the phone {unknown[0]!r} is not one of the training clips")
        return [id_of_label[label] for label in labels]


@dataclass
class PhoneBatch(Counted):
    """phones (B, U) ids; lengths (B,) in phones; steps (B, U) of each phone, 0 on padding; language (B,) index in the
    model's list; units (B, N), -1 on padding."""

    phones: Tensor
    lengths: Tensor
    steps: Tensor
    language: Tensor
    units: Tensor

    def counts(self) -> dict[str, Tensor]:
        """Numbers of unit steps and of phones."""
        return {"units": (self.units != IGNORE).sum().float(), "phones": self.lengths.sum().float()}


class TextUnits(nn.Module):
    """Predicts durations (B, U) of phones (B, U), and the unit of every step (B, N)."""

    def __init__(self, config: TextUnitsConfig):
        super().__init__()
        self.config = c = config
        self.phone = nn.Embedding(FIRST + len(c.phones), c.dim)
        self.language = nn.Embedding(len(c.languages), c.dim)
        for embedding in (self.phone, self.language):
            nn.init.normal_(embedding.weight, std=c.dim**-0.5)
        self.reader = RelativeTransformer(c.dim, c.layers, c.heads, c.hidden, c.dropout, norm="layer")
        self.duration = nn.Linear(c.dim, 1)
        self.placed = nn.Linear(c.dim + 1, c.dim)
        self.writer = Conformer(c.dim, c.decoder_layers, c.heads, c.hidden, c.kernel, c.dropout)
        self.out = nn.Linear(c.dim, c.units)

    def read(self, phones: Tensor, lengths: Tensor, language: Tensor) -> Tensor:
        """Encode phones (B, U) into states (B, U, D), zero on padding."""
        return self.reader(self.phone(phones) + self.language(language)[:, None], length_mask(lengths, phones.shape[1]))

    def durations(self, states: Tensor) -> Tensor:
        """States (B, U, D) -> log(1 + steps) of each phone (B, U)."""
        return self.duration(states)[..., 0].float()

    def write(self, states: Tensor, steps: Tensor) -> Tensor:
        """States (B, U, D) and whole durations (B, U) -> logits (B, N, K)."""
        x, mask = regulate_length(states, steps)
        return self.out(self.writer(self.placed(x), mask)).float()

    def forward(self, batch: PhoneBatch) -> tuple[Tensor, Tensor]:
        """Logits of units (B, N, K) at the true durations, and log(1 + steps) of each phone (B, U)."""
        states = self.read(batch.phones, batch.lengths, batch.language)
        return self.write(states, batch.steps), self.durations(states)

    def loss(self, batch: PhoneBatch) -> dict[str, Tensor]:
        """Cross-entropy of units, L1 distance of log durations, and unit accuracy."""
        logits, logs = self(batch)
        units = F.cross_entropy(logits.transpose(1, 2), batch.units, ignore_index=IGNORE) * batch.share("units")
        is_phone = length_mask(batch.lengths, logs.shape[1])
        duration_loss = (logs - torch.log1p(batch.steps.float())).abs()[is_phone].mean() * batch.share("phones")
        right = (logits.argmax(-1) == batch.units)[batch.units != IGNORE].float().mean()
        loss = units + self.config.duration_weight * duration_loss
        return {"loss": loss, "units": units.detach(), "durations": duration_loss.detach(), "accuracy": right}

    @torch.no_grad()
    def predicted_durations(self, phones: Sequence[int], language: int) -> list[float]:
        """Predicted durations (U,) of phones (U,) in steps, 1 to 250."""
        return torch.expm1(self.durations(self._states(phones, language)))[0].clamp(1, DURATION_RANGE).tolist()

    @torch.no_grad()
    def say(self, phones: Sequence[int], language: int, steps: Sequence[int]) -> list[int]:
        """Units (N,) of phones (U,) with durations of whole steps (U,)."""
        durations = torch.tensor([list(steps)], device=self.out.weight.device)
        return self.write(self._states(phones, language), durations)[0].argmax(-1).tolist()

    def _states(self, phones: Sequence[int], language: int) -> Tensor:
        """States (1, U, D) of one text."""
        ids, length, language_id = (
            torch.tensor(row, device=self.out.weight.device) for row in ([list(phones)], [len(phones)], [language])
        )
        return self.read(ids, length, language_id)


def regulate_length(states: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Length regulation: repeat states (B, U, D) ``steps`` (B, U) times each -> (B, N, D + 1), with the step's relative
    position in its phone, 0 to 1, as last channel; and mask (B, N), True on real steps."""
    clips = []
    for state, count in zip(states, steps, strict=True):
        index = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
        offset = torch.arange(len(index), device=count.device) - (count.cumsum(0) - count)[index]
        position = (offset + 0.5) / count[index]
        clips.append(torch.cat([state[index], position[:, None].to(state.dtype)], 1))
    x = pad_sequence(clips, True)
    return x, length_mask(steps.sum(1), x.shape[1])
