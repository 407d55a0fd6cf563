"""Models built without initialised weights, which are then loaded from a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch.overrides import TorchFunctionMode


@contextmanager
def uninitialised(memory: bool = True) -> Iterator[None]:
    """Context in which modules draw no random weights; with ``memory`` False they are on the device "meta".

    Drawing is wasted where a file is loaded, and on "meta" it makes torch import its compiler, which takes a second.
    """
    with nullcontext() if memory else torch.device("meta"), _NothingDrawn():
        yield


class _NothingDrawn(TorchFunctionMode):
    """Skips the functions that fill a tensor with random numbers.

    A normal draw becomes its mean: PyTorch 2.14 redraws a truncated normal until every value is within the bounds,
    which uninitialised memory might never be.
    """

    FILLS = ("uniform_", "trunc_normal_", "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_")

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "normal_" or name in self.FILLS:
            tensor = args[0] if args else kwargs["tensor"]
            mean = args[1] if len(args) > 1 else kwargs.get("mean", 0.0)
            with torch.no_grad():
                return tensor.fill_(mean) if name == "normal_" else tensor
        return func(*args, **kwargs)
