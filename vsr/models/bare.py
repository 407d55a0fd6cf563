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
    """Leaves out what fills a tensor with random numbers."""

    FILLS = ("normal_", "uniform_", "trunc_normal_", "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_")

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in self.FILLS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
