"""Clips without text teach by what an average of the model's own weights reads of them: USR (Haliassos et al. 2024).

Shapes: B clips, T frames, U tokens.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from vsr.core.numbers import COUNT, NOT_NEGATIVE, SHARE, check_numbers
from vsr.core.tokens import BLANK, IGNORE
from vsr.data.batch import CLIPS, Batch
from vsr.data.targets import FRAME_TOKENS, TOKENS
from vsr.models.lengths import length_mask
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.objectives.ctc_attention import ctc_attention, weights_of
from vsr.objectives.views import hidden, rows_of

SETTINGS = "objective_settings."
TAUGHT = ("ctc", "attention")  # heads that learn from pseudo-labels


def mean_over_frames(values: Tensor, known: Tensor) -> Tensor:
    """Mean of values (B, T) over the known frames of each clip, 0 where there is none: (B,)."""
    return (values * known).sum(1) / known.sum(1).clamp(min=1)


def taught_by(objective: Any, teacher: nn.Module) -> Any:
    """An objective with settings, and with a teacher, which is no part of the model that learns."""
    own = copy.copy(objective)
    object.__setattr__(own, "teacher", teacher)
    return own


@dataclass(frozen=True)
class PseudoLabels:
    """The hybrid loss of the clips with text, and ``weight`` times that of the others with pseudo-labels in its place.

    A teacher, the average of the weights (`optim.ema`), reads every clip without text, as it is: greedily by CTC and
    by the decoder, each for itself. The model is shown the clips with a share ``masked`` of their frames hidden in
    stretches of ``span``, and learns of each head's pseudo-labels those whose confidence is ``above``: the mean
    probability of the frames that are not blank, or the geometric mean of the tokens'.
    published: unknown for the filter of sequences.
    """

    name = "usr"
    weight: float = 1.0
    above: float = 0.8
    masked: float = 0.4
    span: int = 10
    teacher = None  # the averaged weights, which `with_teacher` brings

    def __post_init__(self):
        check_numbers(self, SETTINGS, weight=NOT_NEGATIVE, above=SHARE, masked=SHARE, span=COUNT)

    def needs(self, config: LipReaderConfig) -> None:
        """Raises ValueError for a model without CTC and decoder."""
        if not config.ctc_weight and not config.decoder_layers:
            raise ValueError(f"the objective {self.name} needs CTC or a decoder: set ctc_weight or decoder_layers")

    def takes_unlabelled(self, config: LipReaderConfig) -> bool:
        """Whether clips without text may stand among the others."""
        return True

    def with_teacher(self, teacher: nn.Module) -> PseudoLabels:
        """The same with the averaged weights at hand."""
        return taught_by(self, teacher)

    def __call__(self, model: LipReader, batch: Batch) -> dict[str, Tensor]:
        spoken = batch.token_lengths > 0
        shown = hidden(batch, self.masked, self.span) if model.training else batch
        losses: dict[str, Tensor] = {"loss": batch.lengths.new_zeros((), dtype=torch.float32)}
        if spoken.any():
            losses |= ctc_attention(model, rows_of(shown, spoken))
            losses["loss"] = losses["loss"] * spoken.float().mean()
        if (~spoken).any() and self.weight and self.teacher is not None:
            found = self.taught(model, rows_of(batch, ~spoken), rows_of(shown, ~spoken))
            losses["loss"] = losses["loss"] + self.weight * found.pop("loss") * (~spoken).float().mean()
            losses |= found
        if not losses["loss"].requires_grad and model.training:  # no text, and nothing that the teacher is sure of
            losses["loss"] = 0 * next(p for p in model.parameters() if p.requires_grad).sum()
        return losses

    def taught(self, model: LipReader, clean: Batch, shown: Batch) -> dict[str, Tensor]:
        """Loss of clips by their pseudo-labels, which the teacher reads of them ``clean``, and how many were kept."""
        weights, labels = weights_of(model.config), self.labels(clean)
        states, total = None, shown.lengths.new_zeros((), dtype=torch.float32)
        found: dict[str, Tensor] = {}
        for name, (tokens, sure) in labels.items():
            kept = torch.tensor(
                [len(own) > 0 and chance >= self.above for own, chance in zip(tokens, sure, strict=True)]
            )
            found[f"{name}_kept"] = kept.float().mean()
            if not kept.any():
                continue
            states = model.encode_batch(shown) if states is None else states
            rows = kept.nonzero()[:, 0].to(states.device)
            given = pad_sequence([torch.tensor(tokens[i]) for i in rows.tolist()], True, IGNORE).to(states.device)
            known = {TOKENS: given, FRAME_TOKENS: given.new_full((len(rows), states.shape[1]), IGNORE)}
            loss = model.heads[name].loss(states[rows], Batch({}, shown.lengths[rows], known, []))
            loss = loss["loss"] if isinstance(loss, dict) else loss
            total = total + weights[name] * loss * found[f"{name}_kept"]
            found[f"{name}_pseudo"] = loss.detach()
        return {"loss": total * shown.share(CLIPS)} | found

    @torch.no_grad()
    def labels(self, batch: Batch) -> dict[str, tuple[list[list[int]], list[float]]]:
        """Of each head tokens and confidence of every clip, as the teacher reads it."""
        teacher: Any = self.teacher
        states = teacher.encode_batch(batch)
        found = {}
        for name in (own for own in TAUGHT if own in teacher.heads):
            best = [ranked[0] for ranked in teacher.heads[name].search(states, batch.lengths)]
            if name == "ctc":
                shares = teacher.ctc(states).float().softmax(-1).max(-1)
                said = (shares.indices != BLANK) & length_mask(batch.lengths, states.shape[1])
                sure = mean_over_frames(shares.values, said).tolist()
            else:
                sure = [float(torch.tensor(own.score / (len(own.tokens) + 1)).exp()) for own in best]
            found[name] = ([list(own.tokens) for own in best], sure)
        return found
