"""Memory that is free within the process goes back to the system."""

import ctypes
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from vsr.core.machine import return_freed_memory


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")


@pytest.mark.skipif(not GLIBC, reason="glibc alone can be asked to, and /proc tells what came of it")
def test_freed_memory_is_returned():
    blocks = [b"x" * 100_000 for _ in range(1000)]  # too small for mappings of their own
    kept = blocks[-1]  # the end of the heap, which keeps what is before it
    del blocks
    before = resident()
    return_freed_memory()
    assert before - resident() > 50e6 and kept


def test_other_libraries_of_c_are_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    return_freed_memory()
