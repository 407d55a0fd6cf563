"""Speech units at 50 Hz: k-means classes of MFCCs (HuBERT's first iteration), of plain cepstra or of a HuBERT layer.

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
from vsr.core.errors import VsrError
from vsr.core.files import atomic_write
from vsr.core.kinds import marked
from vsr.media.filterbank import cosines, differences
from vsr.media.mel import NUM_MELS, log_mel

STEP = exact(SAMPLE_RATE, UNIT_RATE)  # samples
MELS_PER_UNIT = exact(STEP, HOP)
NUM_CEPSTRA = 13
LEAST_DEVIATION = 1e-3  # of a cepstrum, so that silence stays silence
CODEBOOK = marked("a codebook of units", b'"centres":{"dtype"')  # as the head of safetensors says it


class Extractor(Protocol):
    """Turns a wave (640 T,) into frames (2T, F), one for each unit."""

    name: str

    def frames(self, wave: Tensor) -> Tensor: ...


class Mfcc:
    """39 numbers: 13 mel cepstra of our log-mel with their first and second differences, the clip's mean taken out."""

    name = "mfcc"

    def frames(self, wave: Tensor) -> Tensor:
        """Wave (640 T,) -> (2T, 39)."""
        cepstra = centred_cepstra(wave)
        first = differences(cepstra)
        return torch.cat([cepstra, first, differences(first)]).T.contiguous()


class Cepstra:
    """The 13 cepstra alone, each of mean 0 and standard deviation 1 in a clip: less of whose voice it is, more of the
    phone."""

    name = "cepstra"

    def frames(self, wave: Tensor) -> Tensor:
        """Wave (640 T,) -> (2T, 13)."""
        cepstra = centred_cepstra(wave)
        return (cepstra / (cepstra.std(1, correction=0, keepdim=True) + LEAST_DEVIATION)).T.contiguous()


def centred_cepstra(wave: Tensor) -> Tensor:
    """Wave (640 T,) -> (13, 2T) mel cepstra of our log-mel, the clip's mean taken out."""
    mel = log_mel(wave).unflatten(0, (-1, MELS_PER_UNIT)).mean(1)  # (2T, 80)
    cepstra = (mel @ cosines(NUM_CEPSTRA, NUM_MELS)).T
    return cepstra - cepstra.mean(1, keepdim=True)


class Hubert:
    """The states of one layer of a HuBERT (Hsu et al. 2021), a local folder or a hub's name."""

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
        """Wave (640 T,) -> (2T, D). The convolutions give 2T - 1 frames: 80 samples of silence bring the last."""
        states = self.model(F.pad(wave, (0, STEP // 4))[None], output_hidden_states=True).hidden_states[self.layer][0]
        count = exact(len(wave), STEP)
        return torch.cat([states, states[-1:].expand(max(0, count - len(states)), -1)])[:count]


def open_extractor(name: str) -> Extractor:
    """``mfcc``, ``cepstra`` or ``hubert:MODEL:LAYER``. Raises VsrError bad_units."""
    kind, _, rest = name.partition(":")
    model, _, layer = rest.rpartition(":")
    if name in (Mfcc.name, Cepstra.name):
        return Mfcc() if name == Mfcc.name else Cepstra()
    if kind == "hubert" and model and layer.isdigit():
        return Hubert(model, int(layer))
    raise VsrError("bad_units", f"'{name}' is no extractor of units; give mfcc, cepstra or hubert:MODEL:LAYER")


def sources_of(name: str) -> dict:
    """What the frames of an extractor depend on: its name and, of a model in a folder here, its files."""
    model = name.partition(":")[2].rpartition(":")[0]
    files = [path.name for path in Path(model).iterdir() if path.is_file()] if model and Path(model).is_dir() else []
    return {"name": name, "files": identify_folder(model, sorted(files))}


class Codebook:
    """K centres of an extractor's frames; a unit is the number of the nearest.

    Args:
        centres: (K, F).
        extractor: name of what makes the frames.
    """

    def __init__(self, centres: Tensor, extractor: str):
        self.centres, self.extractor = centres, extractor

    def __len__(self) -> int:
        return len(self.centres)

    def units(self, frames: Tensor) -> Tensor:
        """Frames (N, F) -> units (N,)."""
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
                centres, about = stored.get_tensor("centres"), stored.metadata() or {}
        except (OSError, SafetensorError) as error:
            raise VsrError("bad_units", f"{path}: no codebook of units can be read ({error})") from error
        if centres.dim() != 2 or not centres.isfinite().all() or "extractor" not in about:
            raise VsrError("bad_units", f"{path}: is no codebook of units")
        return Codebook(centres, about["extractor"])


def fit_codebook(extractor: Extractor, waves: Iterable[np.ndarray], size: int, seed: int = 0) -> Codebook:
    """k-means over the frames of all waves. Raises VsrError bad_units where there are fewer frames than classes."""
    from sklearn.cluster import MiniBatchKMeans

    found = [extractor.frames(torch.from_numpy(wave)).numpy() for wave in waves]
    frames = np.concatenate(found) if found else np.zeros((0, 1), np.float32)
    if len(frames) < size:
        raise VsrError("bad_units", f"{len(frames)} frames cannot make {size} units")
    means = MiniBatchKMeans(size, batch_size=10_000, n_init=3, max_iter=100, random_state=seed).fit(frames)
    return Codebook(torch.from_numpy(means.cluster_centers_).float(), extractor.name)
