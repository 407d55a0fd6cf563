"""LSE-C and LSE-D (Prajwal et al. 2020): synchrony of speech with the lips of its video, measured with SyncNet.

Faces are detected, tracked and cropped, and distances computed, by the package `syncnet-python`, as in published
tables; this module only loads its checkpoints as tensors, without unpickling objects, and suppresses its output. The
weights (SyncNet and the S3FD face detector, Oxford VGG) cannot be distributed here: the user names their folder.
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
from vsr.core.packages import required_package
from vsr.data.manifest import Clip
from vsr.media.audio import write_wave
from vsr.modelstore.importers.reading import read_checkpoint

NETWORK, DETECTOR = "syncnet_v2.model", "sfd_face.pth"
FROM_SOURCE = "pip install syncnet-python"
WHERE = "both are on the page of SyncNet of the Visual Geometry Group, Oxford"


class Lse(NamedTuple):
    """c: confidence, median minus minimum of the distances over shifts, higher is better; d: that minimum, lower is
    better; NaN where no face can be tracked for 50 frames at 25 fps."""

    c: float
    d: float


class SyncNet:
    """The pipeline of `syncnet-python` with the weights of a folder.

    Raises VsrError missing_package (the package, ffmpeg), bad_model (no such files, or other weights).
    """

    def __init__(self, folder: str | Path):
        paths = [Path(folder) / name for name in (DETECTOR, NETWORK)]
        check_weights(paths)
        package = required_package("syncnet_python", "LSE-C and LSE-D", FROM_SOURCE)
        if not shutil.which("ffmpeg"):
            raise VsrError("missing_package", "LSE-C and LSE-D need the program ffmpeg: apt-get install ffmpeg")
        self._pipeline = _pipeline(package, *(read_checkpoint(path) for path in paths))

    def __call__(self, clip: Clip, voice: np.ndarray) -> Lse:
        """LSE of a voice (S,) float32 at 16 kHz with the video of its clip."""
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
            sound = Path(folder) / "voice.wav"
            write_wave(sound, voice)
            _, confidences, distances, *_ = self._pipeline.inference(clip.video, str(sound))
        if not confidences:
            return Lse(np.nan, np.nan)
        best = int(np.argmax(confidences))  # of several faces the best match; both figures are of the same face
        return Lse(confidences[best], distances[best])


def check_weights(paths: Sequence[Path]) -> None:
    """Check that the files exist. Raises VsrError bad_model."""
    absent = [path.name for path in paths if not path.is_file()]
    if absent:
        raise VsrError("bad_model", f"{paths[0].parent} holds no {' and no '.join(absent)}: {WHERE}")


def check_whole_videos(clips: Sequence[Clip]) -> None:
    """Refuse clips that are parts of videos, as the package reads whole files. Raises VsrError bad_manifest."""
    for clip in clips:
        if clip.start or clip.end:
            raise VsrError("bad_manifest", f"{clip.id} is a part of {clip.video}: LSE-C and LSE-D need a file a clip")


def _pipeline(package: Any, detector: Mapping[str, Any], network: Mapping[str, Any]):
    """The package's pipeline with weights that are already loaded, as it would unpickle them itself."""
    from syncnet_python.detectors.s3fd import S3FD
    from syncnet_python.detectors.s3fd.nets import S3FDNet

    def with_weights(model, weights: Mapping[str, Any], name: str):
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise VsrError("bad_model", f"{name} holds other weights than the network's") from error
        return model.eval()

    class Safe(package.SyncNetPipeline):
        def _load_s3fd(self, path):
            return S3FD(net=with_weights(S3FDNet(device="cpu"), detector, DETECTOR), device="cpu")

        def _load_syncnet(self, path):
            return package.SyncNetInstance(net=with_weights(package.SyncNetModel(), network, NETWORK), device="cpu")

    logging.getLogger("pyscenedetect").setLevel(logging.CRITICAL)  # it logs deprecation notices as errors
    ffmpeg = package.syncnet_pipeline.ffmpeg  # which logs every file that it opens
    package.syncnet_pipeline.ffmpeg = SimpleNamespace(input=partial(ffmpeg.input, loglevel="error"), Error=ffmpeg.Error)
    return Safe(device="cpu")
