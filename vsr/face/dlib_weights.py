"""Weights of dlib's face recognition network, read from the file in the package face-recognition-models.

The file is a sequence of layers. Of each the name, the sizes and the values are read, and nothing is executed. Each
convolution is followed by a scale and an offset of its channels, which are folded into it.
"""

from __future__ import annotations

import hashlib
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vsr.core.errors import VsrError

if TYPE_CHECKING:
    import torch

NAME = "dlib_face_recognition_resnet_model_v1.dat"
BYTES = 22_466_066
SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"


def weights_file() -> Path | None:
    """The file, None if the package is not installed; the package itself is not imported.

    Raises:
        VsrError: bad_model if the package has no such file, or one of another size.
    """
    package = find_spec("face_recognition_models")
    if package is None or not package.submodule_search_locations:
        return None
    path = Path(package.submodule_search_locations[0]) / "models" / NAME
    if not path.is_file() or path.stat().st_size != BYTES:
        raise _damaged(path)
    return path


def read_weights(path: Path, shapes: dict[str, torch.Size]) -> dict[str, torch.Tensor]:
    """The state of a network with parameters of these shapes, whose convolutions come in the order of the file.

    Raises:
        VsrError: bad_model if the content is not that of dlib's file.
    """
    import torch

    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise _damaged(path)
    arrays = [_array_at(data, layer.end()).ravel() for layer in re.finditer(rb"(con_4|affine_)(?=\x01\x02)", data)]
    state = {}
    names = [name.removesuffix(".weight") for name, shape in shapes.items() if len(shape) == 4]
    for name, kernel, affine in zip(names, arrays[::2], arrays[1::2], strict=True):
        scale, offset = np.split(affine, 2)
        weight = kernel[: -len(scale)].reshape(shapes[f"{name}.weight"]) * scale[:, None, None, None]
        state[f"{name}.weight"] = torch.from_numpy(weight)
        state[f"{name}.bias"] = torch.from_numpy(kernel[-len(scale) :] * scale + offset)
    return state | {"out.weight": torch.from_numpy(_last_layer(data))}


def _damaged(path: Path) -> VsrError:
    hint = "run `pip install --force-reinstall face-recognition-models==0.3.0`, or uninstall it"
    return VsrError("bad_model", f"{path} is damaged or of another version: {hint}")


def _last_layer(data: bytes) -> np.ndarray:
    """Weights (128, 256) of the linear layer."""
    position = data.rindex(b"fc_2") + len(b"fc_2")
    for _ in range(2):  # its sizes, which the array has, too
        _, position = _integer_at(data, position)
    return _array_at(data, position)[:, :, 0, 0].T.copy()


def _integer_at(data: bytes, position: int) -> tuple[int, int]:
    """An integer stored in 0 to 8 bytes, and the position after it."""
    count = data[position] & 0x0F
    return int.from_bytes(data[position + 1 : position + 1 + count], "little"), position + 1 + count


def _array_at(data: bytes, position: int) -> np.ndarray:
    """An array: its version, four sizes, values."""
    _, position = _integer_at(data, position)
    sizes = []
    for _ in range(4):
        size, position = _integer_at(data, position)
        sizes.append(size)
    return np.frombuffer(data, "<f4", int(np.prod(sizes)), position).reshape(sizes)
