"""Fabric is imported without packages that training does not use."""

import subprocess
import sys
from importlib import import_module

import pytest

from vsr.training.fabric import Fabric, hide_module

UNUSED = ("torchmetrics", "lightning.pytorch", "pytorch_lightning", "transformers", "torchvision", "scipy.signal")


def test_training_imports_nothing_unused():
    code = f"import sys, vsr.training.loop; print([name for name in {UNUSED} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_hidden_module_is_restored(monkeypatch):
    monkeypatch.delitem(sys.modules, "this", raising=False)
    with hide_module("this"), pytest.raises(ImportError):
        import_module("this")
    assert "this" not in sys.modules
    with hide_module("sys"):
        assert import_module("sys") is sys, "what is imported stays"


def test_fabric_is_that_of_lightning():
    assert Fabric.__module__ == "lightning_fabric.fabric"
