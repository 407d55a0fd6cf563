"""Heads that learn from a teacher that hears, by what `vsr teach` stored of it. They write no text;
`vsr.models.distillation_kinds` has their settings.

LIBS (Zhao et al. 2020): `sequence_distillation`, `context_distillation` and `frame_distillation` beside the text's
losses. LiteVSR (Laux et al. 2023): `frame_distillation` alone. Afouras et al. (2020): `posterior_distillation` of CTC.

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

KNOWN = "known"  # target (B, S): 1 where the teacher says something
HEADS_OF = {CTC: "ctc", ATTENTION: "decoder"}  # which posteriors -> the part of the student that has them


class Distillation(nn.Module):
    """What these heads share."""

    counted = KNOWN
    writes = False  # no text
    learns = ""  # from what, in a few words

    def search(self, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[Hypothesis]]:
        """Nothing: states and probabilities are no text."""
        return [[] for _ in lengths]


class FrameDistillation(Distillation):
    """States -> those of the teacher, frame by frame, or where the teacher's attention finds them.

    Args:
        dim, width, per_frame: D, W, N.
        align: "frames": both are on one clock; "attention": each state of the teacher looks for its frames itself.
        normalise: both are normalised before they are compared.
    """

    def __init__(self, dim: int, width: int, per_frame: int, align: str, normalise: bool):
        super().__init__()
        self.per_frame, self.align, self.normalise = per_frame, align, normalise
        self.out = nn.Linear(dim, width * (per_frame if align == "frames" else 1))
        self.learns = f"{per_frame} x {width} numbers of a teacher in each frame"

    def forward(self, states: Tensor) -> Tensor:
        """states (B, T, D) -> as the teacher's, (B, T, N, W); by attention (B, T, W)."""
        found = self.out(states)
        return found.unflatten(-1, (self.per_frame, -1)) if self.align == "frames" else found

    def compared(self, states: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """What the student has in place of each state of the teacher, and that, both (B, T, N, W); known (B, T)."""
        teacher, known, found = batch.targets[STATES], batch.targets[KNOWN] != IGNORE, self(states.float())
        if self.align == "attention":
            weights = alignment(teacher.flatten(1, 2), found, length_mask(batch.lengths, states.shape[1]))
            found = (weights @ found).view_as(teacher)
        return found, teacher, known

    def loss(self, states: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Squared difference, mean over the frames, and the ``cosine`` of both."""
        found, teacher, known = self.compared(states, batch)
        cosine = mean_over(F.cosine_similarity(found, teacher, -1).mean(-1), known)
        return {"loss": mean_over(distance(found, teacher, self.normalise).mean(-1), known), "cosine": cosine}

    @torch.no_grad()
    def measured(self, states: Tensor, batch: Batch) -> tuple[float, int]:
        """(sum of 1 - cosine, frames) of a batch, for validation."""
        found, teacher, known = self.compared(states, batch)
        far = 1 - F.cosine_similarity(found, teacher, -1).mean(-1)
        return float((far * known).sum()), int(known.sum())


class SequenceDistillation(Distillation):
    """The mean of the states -> that of the teacher's."""

    counted = "clips"

    def __init__(self, dim: int, width: int, normalise: bool):
        super().__init__()
        self.normalise = normalise
        self.out = nn.Linear(dim, width)
        self.learns = f"{width} numbers of a teacher of each clip"

    def loss(self, states: Tensor, batch: Batch) -> Tensor:
        """Squared difference, mean over the clips."""
        own = pooled(states, length_mask(batch.lengths, states.shape[1]))
        teacher = pooled(batch.targets[STATES].mean(2), batch.targets[KNOWN] != IGNORE)
        return distance(self.out(own.float()), teacher, self.normalise).mean()


class ContextDistillation(Distillation):
    """What the decoder takes from the states for each token -> what the teacher's took, where it heard that token."""

    reads = outputs.CONTEXT

    def __init__(self, dim: int, width: int, normalise: bool):
        super().__init__()
        self.normalise = normalise
        self.out = nn.Linear(dim, width)
        self.learns = f"{width} numbers of a teacher's decoder at each token"

    def loss(self, context: Tensor, batch: Batch) -> Tensor:
        """context (B, U + 1, D) -> squared difference, mean over the tokens in common."""
        found = self.out(context.float())
        return mean_over(distance(found, batch.targets[CONTEXT], self.normalise), batch.targets[KNOWN] != IGNORE)


class PosteriorDistillation(Distillation):
    """Logits of CTC or of the decoder -> the teacher's probabilities. ``blank``: the weight of frames that the teacher
    takes for blank, which most are."""

    def __init__(self, of: str, temperature: float, blank: float):
        super().__init__()
        self.reads, self.temperature, self.blank = HEADS_OF[of], temperature, blank
        self.learns = f"probabilities of a teacher's {of}"

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """logits (B, S, V) -> KL divergence, mean over the steps."""
        teacher, known = batch.targets["log_probs"], batch.targets[KNOWN] != IGNORE
        found = divergence(logits, teacher, self.temperature)
        if self.reads == "ctc" and self.blank != 1:
            found = torch.where(teacher.argmax(-1) == BLANK, self.blank * found, found)
        return mean_over(found, known)
