"""Encoder states of a video, frame by frame, for research: any layer, as safetensors or npz.

Shapes: T frames in which lips speak, D width.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from vsr.core.files import atomic_write
from vsr.core.kinds import Kind, marked
from vsr.decoding.head_names import no_layer
from vsr.inference.speech import spoken, states_of
from vsr.modelstore.folder import pixel_reader

if TYPE_CHECKING:
    from vsr.inference.seen import Seen
    from vsr.modelstore.folder import LoadedModel

FRONT, LAST = "frontend", "last"
FORMATS = ("safetensors", "npz")
MARKS = [marked("", mark) for mark in (b'"window":{"dtype"', b"window.npy")]  # one for each format
STATES = Kind("states of vsr encode", lambda path: any(own.holds(path) for own in MARKS))


def check_layers(loaded: LoadedModel, names: tuple[str, ...]) -> None:
    """Refuse a layer that the model has not. Raises VsrError bad_options."""
    count = len(_layers(loaded))
    for name in names:
        if name not in (FRONT, LAST) and not (name.isascii() and name.isdigit() and 1 <= int(name) <= count):
            raise no_layer(loaded.name, name, count)


def _layers(loaded: LoadedModel):
    """The encoder's layers of the part that reads pixels; none where an encoder has no such list."""
    return getattr(pixel_reader(loaded.model).encoder, "layers", ())


@torch.inference_mode()
def encode_video(
    loaded: LoadedModel, path: str | Path, layers: Sequence[str | int] | str | int = (LAST,),
    faces: str | int = "largest", cropped: bool = False, seen: Seen | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """States of every frame in which lips speak.

    Args:
        loaded: any lip reader, or an encoder alone.
        path: the video.
        layers: "frontend", what goes into the encoder; a number from 1, what comes out of that layer; "last", the
            states that the heads read. One alone needs no list.
        faces, cropped, seen: as `vsr.inference.speech.spoken` takes them.

    Returns:
        Each layer by its name, (T, D) float32; "start" and "end" (T,) float64, seconds in the video; "face" (T,) and
        "window" (T,) int64: frames of one window were encoded together.

    Raises:
        VsrError: bad_options for a layer that is not there, at_rest, covered, and what a video is refused for.
    """
    layers = tuple(map(str, (layers,) if isinstance(layers, str | int) else layers))
    check_layers(loaded, layers)
    found: dict[str, list[np.ndarray]] = {name: [] for name in (*layers, "start", "end", "face", "window")}
    for number, own in enumerate(spoken(loaded, path, faces, cropped, seen=seen)):
        values = observed(loaded, own, layers)
        count = len(own.crop) - own.first
        values |= {"start": own.edges[:-1][own.first :], "end": own.edges[1:][own.first :]}
        values |= {"face": np.full(count, own.face), "window": np.full(count, number)}
        for name, each in values.items():
            found[name].append(each)
    return {name: np.concatenate(each) for name, each in found.items()}


def observed(loaded: LoadedModel, own, layers: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The layers' outputs, (T, D) each, for the own frames of a window (`vsr.inference.speech.Spoken`); hooks of
    this one pass gather them."""
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str):
        return lambda module, given, result: seen.__setitem__(name, result[0])

    reader = pixel_reader(loaded.model)
    modules = {FRONT: reader.frontend} | {str(k): layer for k, layer in enumerate(_layers(loaded), start=1)}
    hooks = [modules[name].register_forward_hook(keep(name)) for name in layers if name != LAST]
    try:
        seen[LAST] = states_of(loaded, own)[:, : reader.config.dim]
    finally:
        for hook in hooks:
            hook.remove()
    return {name: seen[name][own.first :].float().cpu().numpy() for name in layers}


def save_states(states: dict[str, np.ndarray], path: str | Path, about: dict[str, str]) -> None:
    """Write arrays by their names; the ending says how. ``about``: strings that say what they are of (a safetensors
    file's metadata; the array "about" of an npz, as JSON). Raises VsrError not_writable, no_space."""
    with atomic_write(path) as temporary:
        if Path(path).suffix == ".npz":
            content = io.BytesIO()  # a ZIP file that a full disk cuts short complains again when it is forgotten
            np.savez_compressed(content, **states, about=np.array(json.dumps(about)))
            temporary.write_bytes(content.getbuffer())
        else:
            from safetensors.numpy import save_file

            save_file({name: np.ascontiguousarray(own) for name, own in states.items()}, str(temporary), about)
