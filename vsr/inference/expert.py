"""A frozen lip reader that scores generated lips: a loss with a gradient to pixels, and a metric.

Levels: "features" of the front end (SPECTRE, Filntisis et al. 2022) and "states" of the encoder (EMOTE, Danecek et al.
2023), as 1 - mean cosine to those of the real video; "text", the negative log-likelihood of the true text (TalkLip,
Wang et al. 2023), here by CTC. A generator that was trained with an expert must be evaluated with another reader.
Shapes: frames (T, 3, H, W) of 0 ... 255; crop (T, 96, 96); matrices (T, 2, 3); D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vsr.core.errors import VsrError
from vsr.core.tokens import BLANK
from vsr.data.modalities import VIDEO
from vsr.data.transforms import MEAN, SIDE, STD
from vsr.decoding.ctc import greedy, sayable
from vsr.face.geometry import CROP
from vsr.face.soft_crop import soft_crop
from vsr.inference.alignment import check_room, tokens_of
from vsr.models.lipreader import LipReader

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel

LEVELS = ("features", "states", "text")
EDGE = 2  # frames left out at either end, where the front end has less context than usual


@dataclass(frozen=True)
class Expert:
    """A frozen pixel reader with CTC. Raises VsrError bad_model for another kind of model."""

    loaded: LoadedModel

    def __post_init__(self):
        model = self.loaded.model
        if not isinstance(model, LipReader) or model.modality != VIDEO or model.ctc is None:
            raise VsrError("bad_model", f"{self.loaded.name} is no reader of pixels with CTC (such as grid)")
        model.eval().requires_grad_(False)

    def mouths(self, frames: Tensor, matrices: np.ndarray) -> Tensor:
        """Frames -> crops (T, 96, 96), differentiable; ``matrices`` as of `vsr.face.geometry.mouth_transforms`."""
        return soft_crop(frames, matrices)

    def steps(self, crop: Tensor) -> tuple[Tensor, Tensor]:
        """Crops of 0 ... 255 -> features and states (T, D)."""
        margin = (CROP - SIDE) // 2
        video = (crop[:, margin : margin + SIDE, margin : margin + SIDE] / 255 - MEAN) / STD
        lengths = torch.tensor([len(crop)], device=crop.device)
        features, states = self.loaded.model.encode_in_steps(video[None, :, None], lengths)
        return features[0], states[0]

    def loss(self, fake: Tensor, real: Tensor | None = None, text: str = "") -> dict[str, Tensor]:
        """Losses of crops (T, 96, 96): "features" and "states" against the real crops, and "text" per token.

        Raises ValueError if the numbers of frames differ, or are too small.
        """
        if len(fake) <= 2 * EDGE or (real is not None and len(real) != len(fake)):
            raise ValueError(f"crops of {len(fake)} and {'no' if real is None else len(real)} frames")
        features, states = self.steps(fake)
        losses = {}
        if real is not None:
            with torch.no_grad():
                targets = self.steps(real)
            for name, fake_values, real_values in zip(LEVELS, (features, states), targets, strict=False):
                losses[name] = 1 - F.cosine_similarity(fake_values[EDGE:-EDGE], real_values[EDGE:-EDGE], dim=-1).mean()
        if text:
            losses["text"] = self._text(states, text)
        return losses

    def _text(self, states: Tensor, text: str) -> Tensor:
        """Negative log-probability of the text by CTC, per token."""
        tokens = torch.tensor(self.loaded.tokenizer.encode(text), device=states.device)
        log_probs = self.loaded.model.ctc_log_probs(states[None]).float().transpose(0, 1)
        lengths = torch.tensor([len(states)]), torch.tensor([len(tokens)])
        loss = F.ctc_loss(log_probs, tokens[None], *lengths, blank=BLANK, reduction="sum", zero_infinity=True)
        return loss / max(1, len(tokens))

    @torch.inference_mode()
    def read(self, crop: np.ndarray) -> str:
        """The text that the expert reads, by greedy CTC."""
        states = self.steps(torch.from_numpy(np.array(crop)).float())[1]
        log_probs = self.loaded.model.ctc_log_probs(states[None]).float()
        return self.loaded.tokenizer.decode(greedy(sayable(log_probs, self.loaded.tokenizer.eos_id)[0]).tokens)

    @torch.inference_mode()
    def scores(self, fake: np.ndarray, real: np.ndarray, text: str = "") -> dict[str, float]:
        """The losses of crops (T, 96, 96) uint8 as numbers; the longer of the two is cut to the shorter.

        Raises VsrError bad_text for a text that the reader cannot write, or that is too long for the crops.
        """
        count = min(len(fake), len(real))
        if text:
            check_room(tokens_of(self.loaded, text), count, "the crop")
        fake_crop, real_crop = (torch.from_numpy(np.array(frames[:count])).float() for frames in (fake, real))
        return {name: float(value) for name, value in self.loss(fake_crop, real_crop, text).items()}


def ladder(crop: np.ndarray, other: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Natural lips (T, 96, 96) with known faults, from none to the worst: two frames late, blurred, ``other`` (lips of
    another sentence), and still."""
    from scipy.ndimage import gaussian_filter

    late = np.concatenate([crop[:1].repeat(2, 0), crop[:-2]])
    blurred = gaussian_filter(crop.astype(np.float32), (0, 3, 3)).round().astype(np.uint8)
    versions = {"real": crop, "two frames late": late, "blurred": blurred}
    if other is not None:
        indices = np.arange(len(crop)).clip(max=len(other) - 1)
        versions["another sentence"] = other[indices]
    return versions | {"still": crop[:1].repeat(len(crop), 0)}
