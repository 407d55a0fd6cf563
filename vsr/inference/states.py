"""Export the encoder states of a video for research: any layer, frame by frame, as safetensors or npz.

Shapes: T frames in which lips speak, D width.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
import torch

from vsr.core.errors import VsrError
from vsr.core.file_kinds import FileKind, marked_kind
from vsr.core.files import atomic_write
from vsr.core.one_output import content_of, is_of_another, path_hash
from vsr.decoding.head_names import no_layer
from vsr.inference.speech import speech_windows, states_of
from vsr.modelstore.folder import pixel_reader

if TYPE_CHECKING:
    from vsr.inference.face_report import FaceReport
    from vsr.modelstore.folder import LoadedModel

FRONT, LAST = "frontend", "last"
FORMATS = ("safetensors", "npz")
MARKS = [marked_kind("", mark) for mark in (b'"window":{"dtype"', b"window.npy")]  # one for each format
STATES = FileKind("states of vsr encode", lambda path: any(mark.holds(path) for mark in MARKS))


def check_layers(loaded: LoadedModel, names: tuple[str, ...]) -> None:
    """Refuse a layer that the model does not have. Raises VsrError bad_options."""
    count = len(_layers(loaded))
    for name in names:
        if name not in (FRONT, LAST) and not (name.isascii() and name.isdigit() and 1 <= int(name) <= count):
            raise no_layer(loaded.name, name, count)


def _layers(loaded: LoadedModel):
    """The encoder layers of the video branch; empty if the encoder has no such list."""
    return getattr(pixel_reader(loaded.model).encoder, "layers", ())


@torch.inference_mode()
def encode_video(
    loaded: LoadedModel, path: str | Path, layers: Sequence[str | int] | str | int = (LAST,),
    faces: str | int = "largest", cropped: bool = False, report: FaceReport | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """States of every frame in which lips speak.

    Args:
        loaded: any lip reader, or an encoder alone.
        path: the video.
        layers: "frontend", the output of the front end; a number from 1, the output of that encoder layer; "last", the
            states that the heads read. A single one needs no list.
        faces, cropped, report: as in `vsr.inference.speech.speech_windows`.

    Returns:
        Each layer by its name, (T, D) float32; "start" and "end" (T,) float64, seconds in the video; "face" (T,) and
        "window" (T,) int64: frames of one window were encoded together.

    Raises:
        VsrError: bad_options for a missing layer, at_rest, covered, and the errors of reading a video.
    """
    layers = tuple(map(str, (layers,) if isinstance(layers, str | int) else layers))
    check_layers(loaded, layers)
    chunks: dict[str, list[np.ndarray]] = {name: [] for name in (*layers, "start", "end", "face", "window")}
    for number, window in enumerate(speech_windows(loaded, path, faces, cropped, report=report)):
        values = layer_outputs(loaded, window, layers)
        count = len(window.crop) - window.first
        values |= {"start": window.edges[:-1][window.first :], "end": window.edges[1:][window.first :]}
        values |= {"face": np.full(count, window.face), "window": np.full(count, number)}
        for name, array in values.items():
            chunks[name].append(array)
    return {name: np.concatenate(arrays) for name, arrays in chunks.items()}


def layer_outputs(loaded: LoadedModel, window, layers: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The layers' outputs, (T, D) each, for the frames of a window (`vsr.inference.speech.SpeechWindow`) that it does
    not share with the window before; forward hooks collect them."""
    outputs: dict[str, torch.Tensor] = {}

    def keep(name: str):
        return lambda module, inputs, result: outputs.__setitem__(name, result[0])

    reader = pixel_reader(loaded.model)
    modules = {FRONT: reader.frontend} | {str(k): layer for k, layer in enumerate(_layers(loaded), start=1)}
    hooks = [modules[name].register_forward_hook(keep(name)) for name in layers if name != LAST]
    try:
        outputs[LAST] = states_of(loaded, window)[:, : reader.config.dim]
    finally:
        for hook in hooks:
            hook.remove()
    return {name: outputs[name][window.first :].float().cpu().numpy() for name in layers}


def source_of(video: str | Path) -> dict[str, str]:
    """The metadata that identify the video of stored states: "file", its name as given; "place", a hash of its path;
    "video", its size and SHA-256 as JSON. Raises VsrError unreadable."""
    try:
        content = json.dumps(content_of(video))
    except OSError as error:
        raise VsrError("unreadable", f"{video}: {error.strerror}") from error
    return {"file": str(video), "place": path_hash(video), "video": content}


def check_states_of(path: str | Path, video: str | Path) -> None:
    """Refuse to replace the states of another video than ``video`` in the file ``path``, if there is one. Those of
    older versions identify their video by its name alone. Raises VsrError exists."""
    if not os.path.isfile(path) or not os.path.getsize(path):
        return
    try:
        about = _metadata(Path(path))
        place, content = about.get("place") or path_hash(about["file"]), json.loads(about.get("video", "null"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, BadZipFile):
        place, content = "", None  # damaged, or of nobody knows what
    if is_of_another(place, content, video):
        problem = f"holds the states of another video than {video}: give another -o, or --force to replace it"
        raise VsrError("exists", f"{path} {problem}")


def _metadata(path: Path) -> dict[str, str]:
    """The metadata of stored states."""
    from safetensors import SafetensorError, safe_open

    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return json.loads(str(arrays["about"]))
    try:
        with safe_open(str(path), "np") as stored:
            return stored.metadata() or {}
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def save_states(states: dict[str, np.ndarray], path: str | Path, metadata: dict[str, str]) -> None:
    """Write arrays by name, in the format of the suffix. ``metadata``: strings that describe them (the metadata of a
    safetensors file; the array "about" of an npz, as JSON). Raises VsrError not_writable, no_space."""
    with atomic_write(path) as temporary:
        if Path(path).suffix == ".npz":
            content = io.BytesIO()  # a ZipFile cut short by a full disk raises again in its destructor
            np.savez_compressed(content, **states, about=np.array(json.dumps(metadata)))
            temporary.write_bytes(content.getbuffer())
        else:
            from safetensors.numpy import save_file

            save_file({name: np.ascontiguousarray(array) for name, array in states.items()}, str(temporary), metadata)
