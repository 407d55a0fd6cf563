"""Old module names import for one more version."""

import subprocess
import sys
import warnings
from importlib import import_module

import pytest

from lip2speech.moved import TABLE as SPEECH
from vsr.core.relocation import read_table
from vsr.moved import TABLE

OLD = read_table(TABLE) | read_table(SPEECH)


def test_table_of_modules_is_read():
    assert read_table("a.* = b.c.*: x y>z\nd = e f") == {"a.x": ["b.c.x"], "a.y": ["b.c.z"], "d": ["e", "f"]}


@pytest.mark.parametrize("old", sorted(OLD))
def test_old_module_is_the_new_one(old):
    if "lattice" in old:
        pytest.importorskip("k2", reason="k2 has an environment of its own")
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        module = import_module(old)
    if len(OLD[old]) == 1:
        assert module is import_module(OLD[old][0])


def test_old_name_warns_with_the_new_one():
    program = "import vsr.hub, vsr.video.reader; from vsr.hub import load_model, save_model; import vsr.video.nothing"
    result = subprocess.run(
        [sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, check=False
    )
    assert "vsr.hub is now vsr.inference.reader and vsr.modelstore.folder" in result.stderr
    assert "vsr.video.reader is now vsr.media.reader" in result.stderr
    assert result.stderr.rstrip().endswith("ModuleNotFoundError: No module named 'vsr.video.nothing'")


def test_old_module_has_only_names_that_exist():
    with pytest.raises(ImportError, match="nothing_of_this"):
        exec("from vsr.windows import nothing_of_this")
