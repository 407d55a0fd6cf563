"""Speech units at 50 Hz: k-means classes of MFCCs (HuBERT's first iteration), of cepstra, or of a HuBERT layer.

Shapes: wave (640 T,); frames (2T, F) float; units (2T,) whole numbers below K.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vsr.core.artifacts import identify_folder
from vsr.core.clock import HOP, SAMPLE_RATE, UNIT_RATE, exact
from vsr.core.errors import VsrError, cause_of
from vsr.core.file_kinds import marked_kind
from vsr.core.files import atomic_write
from vsr.media.filterbank import cosines, differences
from vsr.media.mel import NUM_MELS, log_mel

STEP = exact(SAMPLE_RATE, UNIT_RATE)  # samples
MELS_PER_UNIT = exact(STEP, HOP)
NUM_CEPSTRA = 13
LEAST_DEVIATION = 1e-3  # added to the standard deviation of a cepstrum, so that silence is not amplified
CODEBOOK = marked_kind("a codebook of units", b'"centres":{"dtype"')  # identified by the header of safetensors


class Extractor(Protocol):
    """Extracts frames (2T, F), one for each unit, from a wave (640 T,)."""

    name: str

    def frames(self, wave: Tensor) -> Tensor: ...


class Mfcc:
    """39 numbers: 13 mel cepstra of our log-mel, minus the clip's mean, with first and second differences."""

    name = "mfcc"

    def frames(self, wave: Tensor) -> Tensor:
        """Frames (2T, 39) of a wave (640 T,)."""
        cepstra = centred_cepstra(wave)
        first = differences(cepstra)
        return torch.cat([cepstra, first, differences(first)]).T.contiguous()


class Cepstra:
    """Only the 13 cepstra, normalised in each clip to mean 0 and standard deviation 1: less information about the
    speaker, more about the phone."""

    name = "cepstra"

    def frames(self, wave: Tensor) -> Tensor:
        """Frames (2T, 13) of a wave (640 T,)."""
        cepstra = centred_cepstra(wave)
        return (cepstra / (cepstra.std(1, correction=0, keepdim=True) + LEAST_DEVIATION)).T.contiguous()


def centred_cepstra(wave: Tensor) -> Tensor:
    """Mel cepstra (13, 2T) of our log-mel of a wave (640 T,), minus the clip's mean."""
    mel = log_mel(wave).unflatten(0, (-1, MELS_PER_UNIT)).mean(1)  # (2T, 80)
    cepstra = (mel @ cosines(NUM_CEPSTRA, NUM_MELS)).T
    return cepstra - cepstra.mean(1, keepdim=True)


class Hubert:
    """The states of a layer of HuBERT (Hsu et al. 2021), from a local folder or the hub."""

    def __init__(self, model: str, layer: int):
        from transformers import HubertModel

        self.name = f"hubert:{model}:{layer}"
        try:
            self.model = HubertModel.from_pretrained(model).eval()
        except (OSError, ValueError) as error:
            raise VsrError("bad_units", f"{model}: no HuBERT model there ({str(error).splitlines()[0]})") from error
        if not 0 <= layer <= self.model.config.num_hidden_layers:
            raise VsrError("bad_units", f"{model} has layers 0 to {self.model.config.num_hidden_layers}, not {layer}")
        self.layer = layer

    @torch.inference_mode()
    def frames(self, wave: Tensor) -> Tensor:
        """Frames (2T, D) of a wave (640 T,), padded with 80 samples of silence to get the last frame from the
        convolutions."""
        states = self.model(F.pad(wave, (0, STEP // 4))[None], output_hidden_states=True).hidden_states[self.layer][0]
        count = exact(len(wave), STEP)
        return torch.cat([states, states[-1:].expand(max(0, count - len(states)), -1)])[:count]


def open_extractor(name: str) -> Extractor:
    """Open an extractor: ``mfcc``, ``cepstra`` or ``hubert:MODEL:LAYER``. Raises VsrError bad_units."""
    kind, _, rest = name.partition(":")
    model, _, layer = rest.rpartition(":")
    if name in (Mfcc.name, Cepstra.name):
        return Mfcc() if name == Mfcc.name else Cepstra()
    if kind == "hubert" and model and layer.isdigit():
        return Hubert(model, int(layer))
    raise VsrError("bad_units", f"'{name}' is no extractor of units; give mfcc, cepstra or hubert:MODEL:LAYER")


def sources_of(name: str) -> dict:
    """Inputs that the frames of an extractor depend on: its name and, for a model in a local folder, its files."""
    model = name.partition(":")[2].rpartition(":")[0]
    files = [path.name for path in Path(model).iterdir() if path.is_file()] if model and Path(model).is_dir() else []
    return {"name": name, "files": identify_folder(model, sorted(files))}


class Codebook:
    """K centres of an extractor's frames; a unit is the index of the nearest centre.

    Args:
        centres: (K, F).
        extractor: name of the extractor.
    """

    def __init__(self, centres: Tensor, extractor: str):
        self.centres, self.extractor = centres, extractor

    def __len__(self) -> int:
        return len(self.centres)

    def units(self, frames: Tensor) -> Tensor:
        """Units (N,) of frames (N, F)."""
        return torch.cdist(frames[None], self.centres[None])[0].argmin(1)

    def save(self, path: str | Path) -> None:
        """Write safetensors, atomically."""
        from safetensors.torch import save_file

        with atomic_write(path) as temporary:
            save_file({"centres": self.centres.contiguous()}, str(temporary), {"extractor": self.extractor})

    @staticmethod
    def load(path: str | Path) -> Codebook:
        """Read what `save` wrote. Raises VsrError bad_units."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(path), framework="pt") as stored:
                centres, metadata = stored.get_tensor("centres"), stored.metadata() or {}
        except (OSError, SafetensorError) as error:
            raise VsrError("bad_units", f"{path}: no codebook of units can be read ({cause_of(error)})") from error
        if centres.dim() != 2 or not centres.isfinite().all() or "extractor" not in metadata:
            raise VsrError("bad_units", f"{path}: is no codebook of units")
        return Codebook(centres, metadata["extractor"])


def fit_codebook(extractor: Extractor, waves: Iterable[np.ndarray], size: int, seed: int = 0) -> Codebook:
    """Fit a codebook by k-means over the frames of all waves. Raises VsrError bad_units for fewer frames than units."""
    from sklearn.cluster import MiniBatchKMeans

    frame_arrays = [extractor.frames(torch.from_numpy(wave)).numpy() for wave in waves]
    frames = np.concatenate(frame_arrays) if frame_arrays else np.zeros((0, 1), np.float32)
    if len(frames) < size:
        raise VsrError("bad_units", f"{len(frames)} frames cannot make {size} units")
    means = MiniBatchKMeans(size, batch_size=10_000, n_init=3, max_iter=100, random_state=seed).fit(frames)
    return Codebook(torch.from_numpy(means.cluster_centers_).float(), extractor.name)
