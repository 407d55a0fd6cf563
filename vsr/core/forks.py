"""Threads in processes that are forked from one that has a model.

OpenMP's threads do not exist in a forked child, and a child that shares work with them hangs. With a single thread it
works; forked processes share the cores anyway. (Face detection is refused to a child whose parent has used it:
`vsr.face.networks`.)
"""

from __future__ import annotations

import os
from functools import cache


@cache
def use_one_thread_in_forks() -> None:
    """From now on, PyTorch uses one thread in processes forked from this one."""
    import torch

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))
