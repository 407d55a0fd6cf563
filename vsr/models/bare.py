"""Models built without values for their weights, which come from a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch.overrides import TorchFunctionMode


@contextmanager
def bare(memory: bool = True) -> Iterator[None]:
    """What is built inside draws no random weights; without ``memory`` on the device "meta": shapes alone.

    Drawing is in vain where a file is loaded, and on "meta" it makes torch import its compiler, which takes a second.
    """
    with nullcontext() if memory else torch.device("meta"), _NothingDrawn():
        yield


class _NothingDrawn(TorchFunctionMode):
    """Leaves out what fills a tensor with random numbers.

    A normal draw becomes its mean: PyTorch 2.14 draws a truncated one again until all of it is inside the bounds, and
    memory that nobody filled might never be.
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
