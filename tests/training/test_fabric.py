"""Fabric comes without the packages that nothing of a training run uses."""

import subprocess
import sys
from importlib import import_module

import pytest

from vsr.training.fabric import Fabric, hide_module

UNUSED = ("torchmetrics", "lightning.pytorch", "pytorch_lightning", "transformers", "torchvision", "scipy.signal")


def test_training_imports_nothing_that_it_does_not_use():
    code = f"import sys, vsr.training.loop; print([name for name in {UNUSED} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_hidden_module_is_there_again_afterwards(monkeypatch):
    monkeypatch.delitem(sys.modules, "this", raising=False)
    with hide_module("this"), pytest.raises(ImportError):
        import_module("this")
    assert "this" not in sys.modules
    with hide_module("sys"):
        assert import_module("sys") is sys, "what is imported stays"


def test_it_is_lightnings_fabric():
    assert Fabric.__module__ == "lightning_fabric.fabric"
