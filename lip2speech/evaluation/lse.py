"""LSE-C and LSE-D (Prajwal et al. 2020): how well a voice fits the lips of its video, as SyncNet sees it.

Faces are found, tracked and cut, and distances taken, by the package `syncnet-python`, as in published tables; what is
ours is that its checkpoints are read as tensors alone and that its processes keep quiet. The weights (SyncNet and the
S3FD face detector, Oxford VGG) are not ours to give: whoever has them names their folder.
"""

from __future__ import annotations

import io
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.packages import needed
from vsr.data.manifest import Clip
from vsr.media.audio import write_wave
from vsr.modelstore.importers.reading import read_checkpoint

NETWORK, DETECTOR = "syncnet_v2.model", "sfd_face.pth"
FROM_SOURCE = "pip install syncnet-python"
WHERE = "both are on the page of SyncNet of the Visual Geometry Group, Oxford"


class Lse(NamedTuple):
    """c: confidence, the median of the distances over shifts less the smallest, higher is better; d: that smallest
    distance; NaN where no face can be followed for 50 frames of 25 a second."""

    c: float
    d: float


class SyncNet:
    """The pipeline of the package with the weights of a folder.

    Raises VsrError missing_package (the package, ffmpeg), bad_model (no such files, or other weights).
    """

    def __init__(self, folder: str | Path):
        paths = [Path(folder) / name for name in (DETECTOR, NETWORK)]
        check_weights(paths)
        package = needed("syncnet_python", "LSE-C and LSE-D", FROM_SOURCE)
        if not shutil.which("ffmpeg"):
            raise VsrError("missing_package", "LSE-C and LSE-D need the program ffmpeg: apt-get install ffmpeg")
        self._pipeline = _pipeline(package, *(read_checkpoint(path) for path in paths))

    def __call__(self, clip: Clip, voice: np.ndarray) -> Lse:
        """Of a voice (S,) float32 at 16 kHz, on the video of its clip."""
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
            sound = Path(folder) / "voice.wav"
            write_wave(sound, voice)
            _, confidences, distances, *_ = self._pipeline.inference(clip.video, str(sound))
        if not confidences:
            return Lse(np.nan, np.nan)
        best = int(np.argmax(confidences))  # of several faces the one that the voice fits: both figures are of one face
        return Lse(confidences[best], distances[best])


def check_weights(paths: Sequence[Path]) -> None:
    """Raises VsrError bad_model where one of the files is not there."""
    absent = [path.name for path in paths if not path.is_file()]
    if absent:
        raise VsrError("bad_model", f"{paths[0].parent} holds no {' and no '.join(absent)}: {WHERE}")


def check_whole(clips: Sequence[Clip]) -> None:
    """Refuse clips that are parts of videos: the package sees whole files. Raises VsrError bad_manifest."""
    for clip in clips:
        if clip.start or clip.end:
            raise VsrError("bad_manifest", f"{clip.id} is a part of {clip.video}: LSE-C and LSE-D need a file a clip")


def _pipeline(package: Any, detector: Mapping[str, Any], network: Mapping[str, Any]):
    """The package's pipeline, given its weights: by itself it would unpickle them."""
    from syncnet_python.detectors.s3fd import S3FD
    from syncnet_python.detectors.s3fd.nets import S3FDNet

    def filled(model, weights: Mapping[str, Any], name: str):
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise VsrError("bad_model", f"{name} holds other weights than the network's") from error
        return model.eval()

    class Safe(package.SyncNetPipeline):
        def _load_s3fd(self, path):
            return S3FD(net=filled(S3FDNet(device="cpu"), detector, DETECTOR), device="cpu")

        def _load_syncnet(self, path):
            return package.SyncNetInstance(net=filled(package.SyncNetModel(), network, NETWORK), device="cpu")

    logging.getLogger("pyscenedetect").setLevel(logging.CRITICAL)  # its errors are about its own future
    ffmpeg = package.syncnet_pipeline.ffmpeg  # which tells of every file it opens
    package.syncnet_pipeline.ffmpeg = SimpleNamespace(input=partial(ffmpeg.input, loglevel="error"), Error=ffmpeg.Error)
    return Safe(device="cpu")
