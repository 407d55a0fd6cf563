"""The layers of the packages: no layer imports a higher one, and imports have no cycles."""

from importlib import import_module
from pathlib import Path

import pytest

from tests.layering import TOP, circles, faults, graph_of, modules_of

ROOT = Path(import_module("vsr").__file__).parents[1]
LAYERS = {"vsr": ["core", "data", "cli"], "lip2speech": ["web"]}


@pytest.fixture(scope="module")
def graph():
    return graph_of(ROOT)


def test_imports_have_no_cycle(graph):
    assert circles(graph) == []


def test_no_layer_imports_a_higher_one(graph):
    assert list(faults(graph)) == []


def test_package_has_layers_and_at_most_three_modules_of_its_own():
    for package in ("vsr", "lip2speech"):
        modules = {file.stem for file in (ROOT / package).glob("*.py")}
        assert modules <= {"__init__", *TOP} and len(modules) <= 3


def test_only_media_and_faces_import_video_libraries():
    """Modules that build, train or search networks decode no frames and look for no faces."""
    modules = modules_of(ROOT)
    for name, file in modules.items():
        text = file.read_text(encoding="utf-8").splitlines()
        imported = {line.split()[1].split(".")[0] for line in text if line.startswith(("import ", "from "))}
        if name.startswith(("vsr.models", "vsr.training", "vsr.decoding", "vsr.text", "vsr.objectives")):
            assert not imported & {"mediapipe", "cv2", "av", "decord"}, name


def write_tree(root, **files):
    """Write modules (`vsr__core__a` is vsr/core/a.py); returns their import graph."""
    for name, text in files.items():
        file = root / (name.replace("__", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return graph_of(root)


def test_correct_tree_has_no_fault(tmp_path):
    correct = write_tree(
        tmp_path,
        vsr__core__a="import os\n",
        vsr__data__b="from vsr.core import a\n",
        lip2speech__web__c="import vsr.core.a\n",
    )
    assert not list(faults(correct, LAYERS)) and not circles(correct)


@pytest.mark.parametrize(
    "text, how",
    [
        ("from vsr.data.b import x\n", "top"),
        ("def f():\n    from vsr.data import b\n", "lazy"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import vsr.data.b\n", "typing"),
    ],
    ids=["top", "lazy", "typing"],
)
def test_import_of_a_higher_layer_is_found(tmp_path, text, how):
    wrong = write_tree(tmp_path, vsr__core__a=text, vsr__data__b="x = 1\n")
    assert list(faults(wrong, LAYERS)) == [f"vsr.core.a imports vsr.data.b ({how}), which is higher"]


def test_cycle_is_found(tmp_path):
    cyclic = write_tree(
        tmp_path,
        vsr__core__a="import vsr.core.b\n",
        vsr__core__b="def f():\n    import vsr.core.c\n",
        vsr__core__c="import vsr.core.a\n",
    )
    assert circles(cyclic) == [["vsr.core.a", "vsr.core.b", "vsr.core.c"]]


def test_unknown_layer_and_import_between_packages_are_found(tmp_path):
    wrong = write_tree(tmp_path, vsr__core__a="import lip2speech.web.c\n", vsr__attic__b="", lip2speech__web__c="")
    assert list(faults(wrong, LAYERS)) == [
        "vsr.attic.b is in no layer",
        "vsr.core.a imports lip2speech.web.c (top): vsr never imports lip2speech",
    ]
