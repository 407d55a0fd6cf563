"""The rooms of the packages: nothing lower imports anything higher, and no circle."""

from importlib import import_module
from pathlib import Path

import pytest

from tests.layering import TOP, circles, faults, graph_of, modules_of

ROOT = Path(import_module("vsr").__file__).parents[1]
ROOMS = {"vsr": ["core", "data", "cli"], "lip2speech": ["web"]}


@pytest.fixture(scope="module")
def graph():
    return graph_of(ROOT)


def test_there_is_no_circle(graph):
    assert circles(graph) == []


def test_nothing_lower_imports_anything_higher(graph):
    assert list(faults(graph)) == []


def test_on_top_of_each_package_stand_rooms_and_at_most_three_modules():
    for package in ("vsr", "lip2speech"):
        on_top = {file.stem for file in (ROOT / package).glob("*.py")}
        assert on_top <= {"__init__", *TOP} and len(on_top) <= 3


def test_heavy_libraries_stay_where_they_belong():
    """No frames are decoded, and no faces looked for, where networks are built, trained or searched."""
    graph = modules_of(ROOT)
    for name, file in graph.items():
        text = file.read_text(encoding="utf-8").splitlines()
        found = {line.split()[1].split(".")[0] for line in text if line.startswith(("import ", "from "))}
        if name.startswith(("vsr.models", "vsr.training", "vsr.decoding", "vsr.text", "vsr.objectives")):
            assert not found & {"mediapipe", "cv2", "av", "decord"}, name


def tree(root, **files):
    for name, text in files.items():
        file = root / (name.replace("__", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return graph_of(root)


def test_a_sound_tree_has_no_fault(tmp_path):
    sound = tree(
        tmp_path,
        vsr__core__a="import os\n",
        vsr__data__b="from vsr.core import a\n",
        lip2speech__web__c="import vsr.core.a\n",
    )
    assert not list(faults(sound, ROOMS)) and not circles(sound)


@pytest.mark.parametrize(
    "text, how",
    [
        ("from vsr.data.b import x\n", "top"),
        ("def f():\n    from vsr.data import b\n", "lazy"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import vsr.data.b\n", "typing"),
    ],
    ids=["top", "lazy", "typing"],
)
def test_an_arrow_that_goes_up_is_found(tmp_path, text, how):
    found = tree(tmp_path, vsr__core__a=text, vsr__data__b="x = 1\n")
    assert list(faults(found, ROOMS)) == [f"vsr.core.a imports vsr.data.b ({how}), which is higher"]


def test_a_circle_is_found(tmp_path):
    found = tree(
        tmp_path,
        vsr__core__a="import vsr.core.b\n",
        vsr__core__b="def f():\n    import vsr.core.c\n",
        vsr__core__c="import vsr.core.a\n",
    )
    assert circles(found) == [["vsr.core.a", "vsr.core.b", "vsr.core.c"]]


def test_other_faults_are_found(tmp_path):
    found = tree(tmp_path, vsr__core__a="import lip2speech.web.c\n", vsr__attic__b="", lip2speech__web__c="")
    assert list(faults(found, ROOMS)) == [
        "vsr.attic.b stands in no room",
        "vsr.core.a imports lip2speech.web.c (top): vsr never imports lip2speech",
    ]
