"""Whether lips and sound belong together: their embeddings, the offset between them, and which face speaks.

Offset and confidence as in SyncNet (Chung and Zisserman 2016): the shift with the best mean agreement, and how far its
agreement is above the median of all shifts. Shapes: T frames, D features, W width of an embedding; wave (640 T,) at
16 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vsr.core.clock import FPS
from vsr.core.errors import VsrError, one_line
from vsr.core.files import atomic_write, read_json, write_json
from vsr.core.typed_json import to_plain
from vsr.data.modalities import SOUND, VIDEO
from vsr.data.sound_input import to_sound_input
from vsr.data.transforms import to_network_input
from vsr.models.audio_visual import AudioVisual
from vsr.models.contrastive_fusion import ContrastiveFusion, ContrastSettings
from vsr.modelstore.folder import SHIPPED, LoadedModel, load_model

GRID_SYNC = SHIPPED / "grid-sync"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
KIND = "synchrony"
MOST = 15  # maximum offset of the sound, in frames
LEAST = FPS  # least overlap after a shift, or half of a shorter track: a few frames agree by chance
NEAR = 3  # frames: shifts this close to the best one agree almost as well, as lips move slowly
# Lead over all other shifts from which the best is taken to be the offset. Set on GRID's dev clips and s2 to s5, s16,
# s25, s27 against the sound of other clips; figures: docs/lips_and_sound.md.
KNOWN = 0.18


@dataclass(frozen=True)
class Offset:
    """frames: by which the sound comes later than the lips; confidence: how far its agreement is above the median;
    lead: how far it is above that of every shift that is not `NEAR`."""

    frames: int
    confidence: float
    agreement: float
    lead: float

    @property
    def is_clear(self) -> bool:
        """Whether the offset stands out from the others, or is only the best guess."""
        return self.lead >= KNOWN

    @property
    def seconds(self) -> float:
        """The offset in seconds."""
        return self.frames / FPS


@dataclass(frozen=True)
class Synchrony:
    """The front ends of an audio-visual model, and embeddings trained by contrast. ``reader`` names the model that the
    front ends come from and ``sha256`` its weights; both are "" where embeddings and front ends are of one model."""

    frontend: AudioVisual
    fusion: ContrastiveFusion
    reader: str = ""
    sha256: str = ""

    @classmethod
    def of_reader(cls, loaded: LoadedModel, name: str, settings: ContrastSettings | None = None) -> Synchrony:
        """The embeddings of a model, or with ``settings`` new ones on its front ends. Raises VsrError bad_model."""
        frontend = getattr(loaded.model, "frontend", None)
        if not isinstance(frontend, AudioVisual):
            raise VsrError("bad_model", f"{name} does not read lips and sound together (grid-av does)")
        if settings is not None:
            fresh = ContrastiveFusion(loaded.model.config.dim, nn.Identity(), settings)
            return cls(frontend, fresh, name, loaded.weights_sha256)
        if not isinstance(frontend.fusion, ContrastiveFusion):
            raise VsrError("bad_model", f"{name} was not trained by contrast (cogenav.yaml)")
        return cls(frontend, frontend.fusion)

    @torch.inference_mode()
    def features(self, crop: np.ndarray, wave: np.ndarray) -> tuple[Tensor, Tensor]:
        """Crop (T, 96, 96) and wave -> features (T, D) of each by its front end."""
        return self._stream(VIDEO, to_network_input(crop)), self._stream(SOUND, to_sound_input(wave))

    @torch.inference_mode()
    def see(self, crop: np.ndarray) -> Tensor:
        """Crop (T, 96, 96) -> embeddings (T, W)."""
        return self.fusion.see(self._stream(VIDEO, to_network_input(crop))[None], self._full_mask(len(crop)))[0]

    @torch.inference_mode()
    def hear(self, wave: np.ndarray) -> Tensor:
        """Wave (640 T,) -> embeddings (T, W)."""
        features = self._stream(SOUND, to_sound_input(wave))
        return self.fusion.hear(features[None], self._full_mask(len(features)))[0]

    def score(self, see: Tensor, hear: Tensor) -> float:
        """Logit that embeddings (T, W) of lips and sound belong together: above 0 the face speaks the sound."""
        agreement = float((see * hear).sum(-1).mean())
        return float(self.fusion.scale.detach()) * agreement + float(self.fusion.bias.detach())

    def _stream(self, name: str, inputs: Tensor) -> Tensor:
        return self.frontend.streams[name](inputs[None], self._full_mask(len(inputs)))[0]

    @staticmethod
    def _full_mask(frames: int) -> Tensor:
        return torch.ones(1, frames, dtype=torch.bool)


def agreements(see: Tensor, hear: Tensor, most: int = MOST) -> Tensor:
    """Mean cosine (2 most + 1,) of lips (T, W) and sound (T, W) that comes -most ... most frames later; -1 where the
    shift leaves fewer than `LEAST` frames (half of them in a shorter track)."""
    cosines, count = see @ hear.T, len(see)
    least = min(LEAST, (count + 1) // 2)
    means = torch.full((2 * most + 1,), -1.0)
    for place, steps in enumerate(range(-most, most + 1)):
        if count - abs(steps) >= least:
            means[place] = cosines.diagonal(steps).mean()
    return means


def offset_of(see: Tensor, hear: Tensor, most: int = MOST) -> Offset:
    """The offset by which the sound (T, W) comes later than the lips (T, W)."""
    return best_offset(agreements(see, hear, most))


def best_offset(agreements: Tensor) -> Offset:
    """Agreements (2 most + 1,) of the shifts -> the offset with the best."""
    place, known = int(agreements.argmax()), agreements[agreements > -1]
    confidence = float(agreements[place] - known.median()) if len(known) else 0.0
    far = (torch.arange(len(agreements)) - place).abs() > NEAR
    rivals = agreements[far & (agreements > -1)]
    lead = float(agreements[place] - rivals.max()) if len(rivals) else confidence
    return Offset(place - len(agreements) // 2, confidence, float(agreements[place]), lead)


def save_synchrony(folder: str | Path, model: Synchrony, metadata: dict[str, Any]) -> None:
    """Write the embeddings in half precision; the front ends stay with their reader."""
    with atomic_write(Path(folder) / WEIGHTS) as temporary:
        save_file(
            {key: tensor.detach().half().contiguous() for key, tensor in model.fusion.state_dict().items()}, temporary
        )
    plain = to_plain(model.fusion.settings) | {"inner": "concat"}
    write_json(Path(folder) / CONFIG, {
        "kind": KIND, "front_ends": {"model": model.reader, "sha256": model.sha256}, "settings": plain, **metadata,
    })  # fmt: skip


def load_synchrony(model: str | Path | None = None) -> Synchrony:
    """Embeddings of a folder written by `save_synchrony` (None or "grid-sync": the shipped one) with their front ends,
    or those of a reader that was trained by contrast. Raises VsrError bad_model."""
    is_shipped = model is None or str(model) == GRID_SYNC.name and not Path(model).exists()
    folder = GRID_SYNC if is_shipped else Path(str(model))
    config = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    if not isinstance(config, dict) or config.get("kind") != KIND:
        return Synchrony.of_reader(load_model(str(model)), str(model))
    try:
        name, sha256 = str(config["front_ends"]["model"]), config["front_ends"]["sha256"]
        settings = ContrastSettings(**{**config["settings"], "shift": tuple(config["settings"]["shift"])})
        weights = load_file(folder / WEIGHTS)
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise VsrError("bad_model", f"{folder} holds no embeddings that can be read: {one_line(error)}") from error
    loaded = load_model(name)
    if loaded.weights_sha256 != sha256:
        raise VsrError("bad_model", f"{folder} was trained on other front ends than {name} has now")
    synchrony = Synchrony.of_reader(loaded, name, settings)
    try:
        synchrony.fusion.load_state_dict({key: tensor.float() for key, tensor in weights.items()})
    except RuntimeError as error:
        raise VsrError("bad_model", f"{folder}: {one_line(error)[:200]}") from error
    synchrony.fusion.eval()
    return synchrony
