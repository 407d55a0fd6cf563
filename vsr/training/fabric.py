"""Imports Lightning's Fabric quickly, without the Trainer and torchmetrics.

``import lightning`` loads the Trainer, and Fabric imports torchmetrics to look up its version, which imports
torchvision, transformers and scipy.signal. Nothing here uses them. So Fabric comes from ``lightning_fabric``, the same
code of the same distribution, and torchmetrics is hidden meanwhile: this halves the import time of every process.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

UNUSED = "torchmetrics"

__all__ = [
    "ClusterEnvironment", "Fabric", "LightningEnvironment", "ModelParallelStrategy", "SLURMEnvironment",
    "TorchElasticEnvironment", "rank_zero_only",
]  # fmt: skip


@contextmanager
def hide_module(name: str) -> Iterator[None]:
    """Makes the module ``name`` look as if it were not installed, unless it is already imported."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # makes Python raise ModuleNotFoundError
    try:
        yield
    finally:
        del sys.modules[name]


with hide_module(UNUSED):
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import (
        ClusterEnvironment,
        LightningEnvironment,
        SLURMEnvironment,
        TorchElasticEnvironment,
    )
    from lightning_fabric.strategies import ModelParallelStrategy
    from lightning_fabric.utilities.rank_zero import rank_zero_only
