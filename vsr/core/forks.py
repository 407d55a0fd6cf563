"""Processes that are forked from one that has a model.

OpenMP's threads stay behind in the parent, and a child that shares work with them waits for ever. With one thread of
its own it works; those who fork share the cores among their processes anyway. (Looking for faces is refused to a child
whose parent has done it: `vsr.face.networks`.)
"""

from __future__ import annotations

import os
from functools import cache


@cache
def one_thread_in_forks() -> None:
    """From now on, let PyTorch use one thread in processes that are forked from this one."""
    import torch

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))
