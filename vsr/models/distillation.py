"""Distances between student and teacher: features, context vectors and posteriors, as pure functions.

LIBS (Zhao et al. 2020) distils a speech recogniser at the level of the sequence, of the decoder's context vectors and
of the frames; Afouras et al. (2020) distil its posteriors; LiteVSR (Laux et al. 2023) regresses its states, LiteVSR2
after normalising them.

Shapes: B clips, S steps of the teacher, T frames of the student, W width, V vocabulary; known, mask: bool.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from vsr.models.attention import masked_scores


def normalised(x: Tensor) -> Tensor:
    """Vectors (..., W) with mean 0 and variance 1, so that the loss does not depend on the scale of the teacher."""
    return F.layer_norm(x, x.shape[-1:])


def mean_over(values: Tensor, is_known: Tensor) -> Tensor:
    """Mean of the known values of (B, S); 0 if none is known."""
    return (values * is_known).sum() / is_known.sum().clamp(min=1)


def distance(student: Tensor, teacher: Tensor, normalise: bool = True) -> Tensor:
    """Mean squared difference of vectors (..., W) -> (...)."""
    if normalise:
        student, teacher = normalised(student), normalised(teacher)
    return (student - teacher).square().mean(-1)


def pooled(x: Tensor, is_known: Tensor) -> Tensor:
    """Mean of x (B, S, W) over the known steps -> (B, W)."""
    return (x * is_known[..., None]).sum(1) / is_known.sum(1, keepdim=True).clamp(min=1)


def alignment(teacher: Tensor, student: Tensor, mask: Tensor) -> Tensor:
    """Attention of each step of the teacher (B, S, W) to the frames of the student (B, T, W), mask (B, T) -> weights
    (B, S, T) whose rows sum to 1: LIBS' softmax of h_a h_v, divided by the root of W."""
    scores = teacher @ student.transpose(1, 2) * student.shape[-1] ** -0.5
    return masked_scores(scores, mask[:, None]).softmax(-1)


def divergence(logits: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """KL divergence of the student's logits (..., V) from the teacher's log-probabilities -> (...), times the square of
    the temperature (Hinton et al. 2015)."""
    student_log_probs = (logits.float() / temperature).log_softmax(-1)
    teacher_log_probs = (teacher.float() / temperature).log_softmax(-1)
    return F.kl_div(student_log_probs, teacher_log_probs, reduction="none", log_target=True).sum(-1) * temperature**2
