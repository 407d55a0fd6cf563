"""Exports a reader's encoder and CTC head as one ONNX graph, for programs without PyTorch.

Shapes: T frames, D width of the states, V vocabulary. The graph reads one clip of any length: ``video`` (T, 88, 88),
the centre of a mouth crop normalised by `vsr.data.transforms.to_network_input`. It returns ``states`` (T, D) and, with
a CTC head, ``ctc`` (T, V), log-probabilities. Its metadata has the V tokens as a JSON list.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from vsr.core.errors import VsrError, one_line
from vsr.core.files import atomic_write
from vsr.core.packages import required_package
from vsr.data.modalities import VIDEO
from vsr.data.transforms import SIDE
from vsr.models.lengths import unpadded
from vsr.models.lipreader import LipReader

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel

FRAMES = (1, 37, 75)  # lengths of the clips for the comparison with PyTorch
TRACED = 13
LONGEST = 100_000  # frames
NEAR = 1e-3  # largest allowed difference, from float32 sums in another order
INSTALL = "pip install 'vsr-lip2speech[export]'"


class ClipReader(nn.Module):
    """Video (T, 88, 88) of one clip -> states (T, D), and log-probabilities (T, V) with a CTC head."""

    def __init__(self, reader: nn.Module):
        super().__init__()
        self.reader = reader

    def forward(self, video: Tensor) -> tuple[Tensor, ...]:
        video = video[None, :, None]
        mask = torch.ones_like(video[:, :, 0, 0, 0], dtype=torch.bool)
        states = self.reader.encoder(self.reader.frontend(video, mask), mask)
        return (states[0], self.reader.ctc_log_probs(states)[0]) if self.reader.ctc else (states[0],)


def export_onnx(loaded: LoadedModel, path: str | Path) -> dict[str, float]:
    """Write the graph after comparing it with PyTorch on clips of several lengths.

    Returns:
        The largest difference of each output.

    Raises:
        VsrError: bad_model for a reader without such a graph or whose graph differs, missing_package, not_writable.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        required_package(name, "vsr export onnx", INSTALL)
    check_reader(loaded)
    clip_reader = ClipReader(loaded.model).eval()
    names = ["states", "ctc"] if loaded.model.ctc else ["states"]
    with atomic_write(path) as temporary, torch.no_grad(), unpadded():
        program = _export_program(loaded, clip_reader, names)
        program.model.metadata_props.update(about(loaded))
        program.save(str(temporary), external_data=False)
        differences = compared(clip_reader, temporary, names)
        if not max(differences.values()) <= NEAR:
            details = ", ".join(f"{name} {value:.1e}" for name, value in differences.items())
            raise VsrError(
                "bad_model", f"{loaded.name}: its graph would not give the same output ({details}); nothing is written"
            )
    return differences


def check_reader(loaded: LoadedModel) -> None:
    """Raise VsrError (bad_model) for a model that reads more than pixels, or is no lip reader."""
    model = loaded.model
    reads_pixels = isinstance(model, LipReader) and model.modality == VIDEO
    if not reads_pixels or model.boundary is not None or model.words is not None:
        problem = "only readers of pixels have a graph of encoder and CTC"
        raise VsrError("bad_model", f"{loaded.name} reads {model.config.frontend}: {problem}")


def about(loaded: LoadedModel) -> dict[str, str]:
    """The metadata of the graph."""
    tokenizer = loaded.tokenizer
    tokens = tokenizer.pieces(range(tokenizer.vocab_size)) if tokenizer else []
    return {
        "name": loaded.name, "weights_sha256": loaded.weights_sha256, "tokens": json.dumps(tokens, ensure_ascii=False)
    }  # fmt: skip


def _export_program(loaded: LoadedModel, clip_reader: ClipReader, names: list[str]):
    """The `torch.onnx.ONNXProgram`. Raises VsrError (bad_model)."""
    video = torch.randn(TRACED, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    clip_reader(video)  # values that are computed once and cached must not be part of the trace
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.onnx.export(
                clip_reader, (video,), input_names=["video"], output_names=names, dynamo=True, verbose=False,
                dynamic_shapes=({0: torch.export.Dim("frames", min=2, max=LONGEST)},),
            )  # fmt: skip
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, TypeError, ValueError) as error:
        # Plug-ins and some of torchvision's networks use operations that a graph cannot hold.
        raise VsrError("bad_model", f"{loaded.name} has no graph: {one_line(error)[:200]}") from error
    finally:
        logger.setLevel(level)


def compared(clip_reader: ClipReader, path: Path, names: list[str]) -> dict[str, float]:
    """The largest difference of each output between the file, run by ONNX Runtime, and the reader."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    differences = dict.fromkeys(names, 0.0)
    for frames in FRAMES:
        video = torch.randn(frames, SIDE, SIDE, generator=torch.Generator().manual_seed(frames))
        outputs = session.run(names, {"video": video.numpy()})
        for name, output, reference in zip(names, outputs, clip_reader(video), strict=True):
            differences[name] = max(differences[name], float(np.abs(output - reference.numpy()).max()))
    return differences
