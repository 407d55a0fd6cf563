"""Spoiled clips learn what an average of the model's own weights makes of the same clips unspoiled: CAV2vec (Kim et al.
2025); with frames hidden alone, as data2vec (Baevski et al. 2022) and BRAVEn (Haliassos et al. 2024).

Shapes: B clips, T frames, D width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from vsr.core.numbers import COUNT, NOT_NEGATIVE, SHARE, check_numbers
from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.data.teacher_targets import STATES
from vsr.models.clean_prediction import CLEAN, CleanPrediction
from vsr.models.distilled_heads import KNOWN
from vsr.models.layers import kept
from vsr.models.lengths import length_mask, zero_padding
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.pseudo_labels import SETTINGS, taught_by
from vsr.objectives.views import spoiled


@dataclass(frozen=True)
class CleanTargets:
    """The losses of all heads, on clips of which a ``share`` of the frames is spoiled in stretches of ``span``.

    Heads of the kind "clean_prediction" learn, in the spoiled frames, the mean over the highest ``layers`` of the
    encoder of the averaged weights (`optim.ema`) on the clips as they are, each normalised over the clip. ``noise``:
    standard deviation; ``cover``: of the height and width of the video, the side of a patch; with ``hide`` spoiled
    frames are 0. published: unknown for the sizes of patches of CAV2vec at 88 x 88.
    """

    name = "cav2vec"
    share: float = 0.5
    span: int = 10
    noise: float = 0.5
    cover: float = 0.5
    layers: int = 1
    hide: bool = False
    teacher = None  # the averaged weights, which `with_teacher` brings

    def __post_init__(self):
        check_numbers(self, SETTINGS, share=SHARE, span=COUNT, noise=NOT_NEGATIVE, cover=SHARE, layers=COUNT)

    def needs(self, config: LipReaderConfig) -> None:
        """Raises ValueError for a model without a head that predicts clean states."""
        if not any(own.get("kind") == CLEAN for own in config.further_heads.values()):
            raise ValueError(f"the objective {self.name} needs a further head of the kind {CLEAN}")

    def takes_unlabelled(self, config: LipReaderConfig) -> bool:
        """Whether clips without text may stand among the others: where no head learns from the text."""
        return not (config.ctc_weight or config.decoder_layers or config.alignment_weight or config.classes)

    def with_teacher(self, teacher: nn.Module) -> CleanTargets:
        """The same with the averaged weights at hand."""
        return taught_by(self, teacher)

    def __call__(self, model: LipReader, batch: Batch) -> dict[str, Tensor]:
        shown, which = spoiled(batch, self.share if model.training else 0.0, self.span, self.noise, self.cover)
        if self.hide:
            hidden = {name: zero_padding(own, ~which) for name, own in shown.inputs.items()}
            shown = replace(shown, inputs=hidden)
        clean = self.clean(batch, model if self.teacher is None else self.teacher)[:, :, None]
        known = torch.where(which, 1, IGNORE)
        names = [name for name, head in model.further_heads.items() if isinstance(head, CleanPrediction)]
        own = {f"{name}.{target}": value for name in names for target, value in ((STATES, clean), (KNOWN, known))}
        return ctc_attention(model, replace(shown, targets=shown.targets | own))

    @torch.no_grad()
    def clean(self, batch: Batch, teacher: Any) -> Tensor:
        """What the teacher makes of the clips as they are, (B, T, D): the mean of layers, each normalised over time."""
        count = len(getattr(teacher.encoder, "layers", ())) if self.layers > 1 else 0
        wanted = range(count - self.layers + 1, count + 1) if count else ()
        with kept(teacher.encoder, wanted) as lower:
            states = teacher.encode_batch(batch)
        mask = length_mask(batch.lengths, states.shape[1])
        each = [lower[number] for number in wanted] or [states]
        return torch.stack([over_time(own.float(), mask) for own in each]).mean(0)


def over_time(states: Tensor, mask: Tensor) -> Tensor:
    """States (B, T, D) with mean 0 and variance 1 of each number over the real frames of each clip, zero on padding."""
    real = mask[..., None].float()
    count = real.sum(1, keepdim=True).clamp(min=1)
    mean = (states * real).sum(1, keepdim=True) / count
    variance = ((states - mean).square() * real).sum(1, keepdim=True) / count
    return real * (states - mean) / (variance + 1e-5).sqrt()
