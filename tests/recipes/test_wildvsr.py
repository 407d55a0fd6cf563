"""The WildVSR recipe: a test list alone, read by an existing model, up to a row of RESULTS.md."""

import json
import re
import shutil

import pytest

from tests.recipes.test_published import options, page_of
from tests.recipes.test_recipes import run_recipe


def tree(root, video=None):
    (root / "videos").mkdir(parents=True)
    labels = {f"{number:04d}.mp4": "BIN BLUE" for number in range(2)}
    for name in labels:
        shutil.copy(video, root / "videos" / name) if video else (root / "videos" / name).touch()
    (root / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    return root


@pytest.mark.slow
def test_model_gets_its_row(tmp_path, make_face, make_video, tiny_model):
    root = tree(tmp_path / "WildVSR", make_video(tmp_path / "face.mp4", make_face(50, 224)))
    result = run_recipe("wildvsr/vsr", tmp_path, *options(root, tiny_model, "--beam", "2", "--name", "mine"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"\| mine \| own_beam2 \| test_lower \| 2 \| 0 \| 4 \|", page_of(tmp_path)), page_of(tmp_path)


def test_missing_inputs_stop_at_once(tmp_path, tiny_model):
    root = tree(tmp_path / "WildVSR")
    for arguments, message in (
        (["--corpus", str(root)], "give the reader with --model"),
        (options(root / "videos", tiny_model), "has no labels.json: it is not WildVSR"),
    ):
        result = run_recipe("wildvsr/vsr", tmp_path, *arguments)
        assert result.returncode == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1, (
            result.stderr
        )
