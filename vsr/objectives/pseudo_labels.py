"""Pseudo-labels for clips without text, from the averaged weights of the model: USR (Haliassos et al. 2024).

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
from vsr.objectives.views import hide_frames, or_first, rows_of

SETTINGS = "objective_settings."
TAUGHT = ("ctc", "attention")  # heads that learn from pseudo-labels


def mean_over_frames(values: Tensor, is_known: Tensor) -> Tensor:
    """Mean of values (B, T) over the known frames of each clip, 0 if none is known: (B,)."""
    return (values * is_known).sum(1) / is_known.sum(1).clamp(min=1)


def taught_by(objective: Any, teacher: nn.Module) -> Any:
    """A copy of an objective with a teacher, which is not part of the trained model."""
    taught = copy.copy(objective)
    object.__setattr__(taught, "teacher", teacher)
    return taught


@dataclass(frozen=True)
class PseudoLabels:
    """The hybrid loss of the clips with text, plus ``weight`` times that of the other clips with pseudo-labels.

    A teacher with the averaged weights (`optim.ema`) reads every clip without text and without masking: greedily by CTC
    and, separately, by the decoder. The model reads the clips with a share ``masked`` of their frames masked, in spans
    of ``span``, and each head learns from its pseudo-labels with a confidence of at least ``above``: for CTC the mean
    probability of the frames that are not blank, for the decoder the geometric mean of the token probabilities.
    How USR filters sequences is not published.
    """

    name = "usr"
    weight: float = 1.0
    above: float = 0.8
    masked: float = 0.4
    span: int = 10
    teacher = None  # the averaged weights, set by `with_teacher`

    def __post_init__(self):
        check_numbers(self, SETTINGS, weight=NOT_NEGATIVE, above=SHARE, masked=SHARE, span=COUNT)

    def needs(self, config: LipReaderConfig) -> None:
        """Raises ValueError for a model with neither CTC nor decoder."""
        if not config.ctc_weight and not config.decoder_layers:
            raise ValueError(f"the objective {self.name} needs CTC or a decoder: set ctc_weight or decoder_layers")

    def takes_unlabelled(self, config: LipReaderConfig) -> bool:
        """Whether batches may have clips without text."""
        return True

    def with_teacher(self, teacher: nn.Module) -> PseudoLabels:
        """A copy with the averaged weights as its teacher."""
        return taught_by(self, teacher)

    def __call__(self, model: LipReader, batch: Batch) -> dict[str, Tensor]:
        has_text = batch.token_lengths > 0
        masked = hide_frames(batch, self.masked, self.span) if model.training else batch
        losses: dict[str, Tensor] = {"loss": batch.lengths.new_zeros((), dtype=torch.float32)}
        with_text, without = or_first(has_text, batch), or_first(~has_text, batch)
        if with_text.any():
            text_losses = ctc_attention(model, rows_of(masked, with_text))
            losses |= {name: value * has_text.any() for name, value in text_losses.items()}
            losses["loss"] = losses["loss"] * has_text.float().mean()
        if without.any() and self.weight and self.teacher is not None:
            pseudo_losses = self.taught(model, rows_of(batch, without), rows_of(masked, without))
            losses["loss"] = losses["loss"] + self.weight * pseudo_losses.pop("loss") * (~has_text).float().mean()
            losses |= pseudo_losses
        if not losses["loss"].requires_grad and model.training:  # no text, and no confident pseudo-label
            losses["loss"] = 0 * next(p for p in model.parameters() if p.requires_grad).sum()
        return losses

    def taught(self, model: LipReader, clean: Batch, shown: Batch) -> dict[str, Tensor]:
        """Loss of clips ``shown`` with pseudo-labels from the ``clean`` clips, and the share of labels kept by head."""
        weights, labels = weights_of(model.config), self.labels(clean)
        states, total = None, shown.lengths.new_zeros((), dtype=torch.float32)
        figures: dict[str, Tensor] = {}
        for name, (tokens, confidence) in labels.items():
            is_kept = torch.tensor(
                [len(ids) > 0 and p >= self.above for ids, p in zip(tokens, confidence, strict=True)]
            )
            figures[f"{name}_kept"] = is_kept.float().mean()
            rows = or_first(is_kept, shown).nonzero()[:, 0].to(shown.lengths.device)
            if not len(rows):
                continue
            states = model.encode_batch(shown) if states is None else states
            labels_kept = [torch.tensor(tokens[i] or [IGNORE]) for i in rows.tolist()]
            padded = pad_sequence(labels_kept, True, IGNORE).to(states.device)
            targets = {TOKENS: padded, FRAME_TOKENS: padded.new_full((len(rows), states.shape[1]), IGNORE)}
            loss = model.heads[name].loss(states[rows], Batch({}, shown.lengths[rows], targets, []))
            loss = loss["loss"] if isinstance(loss, dict) else loss
            total = total + weights[name] * loss * figures[f"{name}_kept"]
            figures[f"{name}_pseudo"] = loss.detach() * is_kept.any()
        return {"loss": total * shown.share(CLIPS)} | figures

    @torch.no_grad()
    def labels(self, batch: Batch) -> dict[str, tuple[list[list[int]], list[float]]]:
        """Head name -> (tokens, confidence) of every clip, from the teacher."""
        teacher: Any = self.teacher
        states = teacher.encode_batch(batch)
        labels = {}
        for name in (head for head in TAUGHT if head in teacher.heads):
            best = [ranked[0] for ranked in teacher.heads[name].search(states, batch.lengths)]
            if name == "ctc":
                frame_probs = teacher.ctc(states).float().softmax(-1).max(-1)
                is_spoken = (frame_probs.indices != BLANK) & length_mask(batch.lengths, states.shape[1])
                confidence = mean_over_frames(frame_probs.values, is_spoken).tolist()
            else:
                confidence = [
                    float(torch.tensor(hypothesis.score / (len(hypothesis.tokens) + 1)).exp()) for hypothesis in best
                ]
            labels[name] = ([list(hypothesis.tokens) for hypothesis in best], confidence)
        return labels
