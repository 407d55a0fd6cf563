"""Weights and videos that depend only on their names: inputs of golden numbers can be made again anywhere."""

import zlib

import numpy as np
import torch

FRACTION = 43758.5453


def noise(count, seed):
    """`count` float64 values in [-1, 1) that look random: the fraction of a large multiple of a sine."""
    value = np.sin(np.arange(count) * 12.9898 + seed) * FRACTION
    return 2 * (value - np.floor(value)) - 1


def fill(name, shape, dtype=torch.float32):
    """The tensor called `name`: its values depend on the name, its scale on the last part of the name."""
    if dtype == torch.int64:
        return torch.zeros(shape, dtype=dtype)
    values = noise(int(np.prod(shape)), zlib.crc32(name.encode()) % 1000)
    if name.endswith("running_var"):
        values = 1 + 0.5 * values
    elif len(shape) > 1 and not name.endswith("weight_g"):
        values = values * (3 / (np.prod(shape[1:]))) ** 0.5
    elif name.endswith("weight") or name.endswith("weight_g"):
        values = 1 + 0.3 * values
    else:
        values = 0.3 * values
    return torch.from_numpy(values.reshape(shape)).to(dtype)


def weights(shapes):
    """{name: shape} -> {name: tensor}; counters of batches are integers, as PyTorch stores them."""
    kinds = {name: torch.int64 if name.endswith("num_batches_tracked") else torch.float32 for name in shapes}
    return {name: fill(name, tuple(shape), kinds[name]) for name, shape in shapes.items()}


def video(frames):
    """A normalised video (1, frames, 1, 88, 88)."""
    return torch.from_numpy(noise(frames * 88 * 88, frames)).float().view(1, frames, 1, 88, 88)


def samples(frames):
    """The same wave in steps of 16 bit, as in a file: (640 frames,) int16."""
    return torch.round(sound(frames).flatten() * 32767).to(torch.int16).numpy()


def sound(frames):
    """A wave (1, frames, 640) as a sound front end takes it."""
    return torch.from_numpy(0.5 * noise(frames * 640, 7 * frames + 1)).float().view(1, frames, 640)


def as_one(weights, first, other):
    """The weights, where each tensor that begins with `other`, with a layer number at `{}`, is that of `first`: a
    module that several layers share."""
    before, after = other.split("{}")
    shared = dict(weights)
    for name in weights:
        if name.startswith(before) and name[len(before) :].lstrip("0123456789").startswith(after):
            shared[name] = weights[first + name[len(before) :].lstrip("0123456789")[len(after) :]]
    return shared
