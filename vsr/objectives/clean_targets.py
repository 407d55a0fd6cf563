"""Self-distillation from clean to corrupted clips, with the averaged weights of the model as the teacher: CAV2vec (Kim
et al. 2025); with masked frames only, as in data2vec (Baevski et al. 2022) and BRAVEn (Haliassos et al. 2024).

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
from vsr.models.layers import record_layers
from vsr.models.lengths import length_mask, zero_padding
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.pseudo_labels import SETTINGS, taught_by
from vsr.objectives.views import corrupt_frames


@dataclass(frozen=True)
class CleanTargets:
    """The losses of all heads, on clips with a ``share`` of the frames corrupted in spans of ``span``.

    In the corrupted frames, heads of the kind "clean_prediction" learn the mean of the highest ``layers`` of the
    teacher's encoder on the clean clips, each normalised over the clip; the teacher has the averaged weights
    (`optim.ema`). ``noise``: standard deviation; ``cover``: sides of the patch over those of the video; with ``hide``
    corrupted frames are 0. CAV2vec's patch sizes at 88 x 88 are not published.
    """

    name = "cav2vec"
    share: float = 0.5
    span: int = 10
    noise: float = 0.5
    cover: float = 0.5
    layers: int = 1
    hide: bool = False
    teacher = None  # the averaged weights, set by `with_teacher`

    def __post_init__(self):
        check_numbers(self, SETTINGS, share=SHARE, span=COUNT, noise=NOT_NEGATIVE, cover=SHARE, layers=COUNT)

    def needs(self, config: LipReaderConfig) -> None:
        """Raises ValueError for a model without a head of the kind "clean_prediction"."""
        if not any(settings.get("kind") == CLEAN for settings in config.further_heads.values()):
            raise ValueError(f"the objective {self.name} needs a further head of the kind {CLEAN}")

    def takes_unlabelled(self, config: LipReaderConfig) -> bool:
        """Whether batches may have clips without text: only if no head learns from text."""
        return not (config.ctc_weight or config.decoder_layers or config.alignment_weight or config.classes)

    def with_teacher(self, teacher: nn.Module) -> CleanTargets:
        """A copy with the averaged weights as its teacher."""
        return taught_by(self, teacher)

    def __call__(self, model: LipReader, batch: Batch) -> dict[str, Tensor]:
        corrupted, mask = corrupt_frames(
            batch, self.share if model.training else 0.0, self.span, self.noise, self.cover
        )
        if self.hide:
            masked = {name: zero_padding(x, ~mask) for name, x in corrupted.inputs.items()}
            corrupted = replace(corrupted, inputs=masked)
        clean = self.clean(batch, model if self.teacher is None else self.teacher)[:, :, None]
        known = torch.where(mask, 1, IGNORE)
        names = [name for name, head in model.further_heads.items() if isinstance(head, CleanPrediction)]
        targets = {f"{name}.{target}": value for name in names for target, value in ((STATES, clean), (KNOWN, known))}
        return ctc_attention(model, replace(corrupted, targets=corrupted.targets | targets))

    @torch.no_grad()
    def clean(self, batch: Batch, teacher: Any) -> Tensor:
        """The teacher's states of the clean clips, (B, T, D): the mean of layers, each normalised over time."""
        count = len(getattr(teacher.encoder, "layers", ())) if self.layers > 1 else 0
        layers = range(count - self.layers + 1, count + 1) if count else ()
        with record_layers(teacher.encoder, layers) as lower_states:
            states = teacher.encode_batch(batch)
        mask = length_mask(batch.lengths, states.shape[1])
        layer_states = [lower_states[layer] for layer in layers] or [states]
        return torch.stack([over_time(x.float(), mask) for x in layer_states]).mean(0)


def over_time(states: Tensor, mask: Tensor) -> Tensor:
    """States (B, T, D), each channel normalised to mean 0 and variance 1 over the real frames, zero on padding."""
    is_real = mask[..., None].float()
    count = is_real.sum(1, keepdim=True).clamp(min=1)
    mean = (states * is_real).sum(1, keepdim=True) / count
    variance = ((states - mean).square() * is_real).sum(1, keepdim=True) / count
    return is_real * (states - mean) / (variance + 1e-5).sqrt()
