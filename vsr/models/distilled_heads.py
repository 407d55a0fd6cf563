"""Heads that learn from an audio teacher, whose outputs `vsr teach` has stored. They write no text;
`vsr.models.distillation_kinds` has their settings.

LIBS (Zhao et al. 2020): `sequence_distillation`, `context_distillation` and `frame_distillation` beside text losses.
LiteVSR (Laux et al. 2023): `frame_distillation` alone. Afouras et al. (2020): `posterior_distillation` of CTC.

Shapes: B clips, T frames, D width, N states of the teacher a frame, W its width, U tokens, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.tokens import BLANK, IGNORE
from vsr.data.batch import Batch
from vsr.data.teacher_targets import ATTENTION, CONTEXT, CTC, STATES
from vsr.models import outputs
from vsr.models.distillation import alignment, distance, divergence, mean_over, pooled
from vsr.models.lengths import length_mask
from vsr.text.hypothesis import Hypothesis

KNOWN = "known"  # target (B, S): 1 where the teacher has an output
HEADS_OF = {CTC: "ctc", ATTENTION: "decoder"}  # posteriors -> the module of the student that computes them


class Distillation(nn.Module):
    """Base class of these heads."""

    counted = KNOWN
    writes = False  # outputs no text
    learns = ""  # what it learns from, in a few words

    def search(self, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[Hypothesis]]:
        """No hypotheses, as states and probabilities are no text."""
        return [[] for _ in lengths]


class FrameDistillation(Distillation):
    """States -> predicted states of the teacher, frame by frame or aligned by attention.

    Args:
        dim, width, per_frame: D, W, N.
        align: "frames": both have the same frame rate; "attention": states of the teacher attend to the frames.
        normalise: normalise both before they are compared.
    """

    def __init__(self, dim: int, width: int, per_frame: int, align: str, normalise: bool):
        super().__init__()
        self.per_frame, self.align, self.normalise = per_frame, align, normalise
        self.out = nn.Linear(dim, width * (per_frame if align == "frames" else 1))
        self.learns = f"{per_frame} x {width} numbers of a teacher in each frame"

    def forward(self, states: Tensor) -> Tensor:
        """states (B, T, D) -> predictions (B, T, N, W); for alignment by attention (B, T, W)."""
        predictions = self.out(states)
        return predictions.unflatten(-1, (self.per_frame, -1)) if self.align == "frames" else predictions

    def compared(self, states: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Predictions and states of the teacher, both (B, T, N, W), and which frames are known (B, T)."""
        teacher, known, predictions = batch.targets[STATES], batch.targets[KNOWN] != IGNORE, self(states.float())
        if self.align == "attention":
            weights = alignment(teacher.flatten(1, 2), predictions, length_mask(batch.lengths, states.shape[1]))
            predictions = (weights @ predictions).view_as(teacher)
        return predictions, teacher, known

    def loss(self, states: Tensor, batch: Batch) -> dict[str, Tensor]:
        """``loss``, squared difference, mean over the frames, and ``cosine``, the cosine similarity."""
        predictions, teacher, known = self.compared(states, batch)
        cosine = mean_over(F.cosine_similarity(predictions, teacher, -1).mean(-1), known)
        return {"loss": mean_over(distance(predictions, teacher, self.normalise).mean(-1), known), "cosine": cosine}

    @torch.no_grad()
    def measured(self, states: Tensor, batch: Batch) -> tuple[float, int]:
        """(sum of 1 - cosine, frames) of a batch, for validation."""
        predictions, teacher, known = self.compared(states, batch)
        distances = 1 - F.cosine_similarity(predictions, teacher, -1).mean(-1)
        return float((distances * known).sum()), int(known.sum())


class SequenceDistillation(Distillation):
    """The mean of the states -> the mean of the teacher's states."""

    counted = "clips"

    def __init__(self, dim: int, width: int, normalise: bool):
        super().__init__()
        self.normalise = normalise
        self.out = nn.Linear(dim, width)
        self.learns = f"{width} numbers of a teacher of each clip"

    def loss(self, states: Tensor, batch: Batch) -> Tensor:
        """Squared difference, mean over the clips."""
        student = pooled(states, length_mask(batch.lengths, states.shape[1]))
        teacher = pooled(batch.targets[STATES].mean(2), batch.targets[KNOWN] != IGNORE)
        return distance(self.out(student.float()), teacher, self.normalise).mean()


class ContextDistillation(Distillation):
    """Context vectors of the decoder -> those of the teacher's decoder, for tokens that the teacher recognised."""

    reads = outputs.CONTEXT

    def __init__(self, dim: int, width: int, normalise: bool):
        super().__init__()
        self.normalise = normalise
        self.out = nn.Linear(dim, width)
        self.learns = f"{width} numbers of a teacher's decoder at each token"

    def loss(self, context: Tensor, batch: Batch) -> Tensor:
        """context (B, U + 1, D) -> squared difference, mean over the tokens in common with the teacher."""
        predictions = self.out(context.float())
        return mean_over(distance(predictions, batch.targets[CONTEXT], self.normalise), batch.targets[KNOWN] != IGNORE)


class PosteriorDistillation(Distillation):
    """Logits of CTC or of the decoder -> the teacher's probabilities. ``blank``: the weight of frames in which blank is
    the teacher's likeliest token, as in most frames."""

    def __init__(self, of: str, temperature: float, blank: float):
        super().__init__()
        self.reads, self.temperature, self.blank = HEADS_OF[of], temperature, blank
        self.learns = f"probabilities of a teacher's {of}"

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """logits (B, S, V) -> KL divergence, mean over the steps."""
        teacher, known = batch.targets["log_probs"], batch.targets[KNOWN] != IGNORE
        kl = divergence(logits, teacher, self.temperature)
        if self.reads == "ctc" and self.blank != 1:
            kl = torch.where(teacher.argmax(-1) == BLANK, self.blank * kl, kl)
        return mean_over(kl, known)
