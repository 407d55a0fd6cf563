"""Lightning's Fabric by itself.

``import lightning`` brings the Trainer, and Fabric asks for the version of torchmetrics by importing it, which imports
torchvision, transformers and scipy.signal. Nothing here uses them. So Fabric comes from ``lightning_fabric``, the
same code of the same distribution, and torchmetrics is hidden meanwhile: half the seconds, for every process of a run.
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
def out_of_sight(name: str) -> Iterator[None]:
    """Whatever asks for the module ``name`` is answered that it is not installed; one that is imported stays."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # Python's own sign for "there is none"
    try:
        yield
    finally:
        del sys.modules[name]


with out_of_sight(UNUSED):
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import (
        ClusterEnvironment,
        LightningEnvironment,
        SLURMEnvironment,
        TorchElasticEnvironment,
    )
    from lightning_fabric.strategies import ModelParallelStrategy
    from lightning_fabric.utilities.rank_zero import rank_zero_only
