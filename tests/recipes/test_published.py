"""A published model reads the test split of LRS3 or LRS2; only that split is on disk, and nothing is trained."""

import json
import re
import shutil

import pytest

from tests import lrs_tree
from tests.modelstore.test_store import web  # noqa: F401  a fixture
from tests.recipes.test_recipes import run_recipe
from vsr.cli import main
from vsr.core.files import read_json


@pytest.fixture(scope="module")
def video(tmp_path_factory, make_video, make_face):
    """Two seconds of a face of the size in LRS3."""
    return make_video(tmp_path_factory.mktemp("lrs") / "face.mp4", make_face(50, 224))


def options(root, model, *extra):
    return ["--corpus", str(root), "--model", str(model), "--nj", "1", "--gpus", "0", *extra]


def page_of(folder):
    return (folder / "work" / "RESULTS.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_lrs3_by_a_published_model_has_the_published_figure_beside(web, tmp_path, video, monkeypatch):  # noqa: F811
    assert main(["models", "get", "lrs3", "--accept-licence"]) == 0
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    root = lrs_tree.make_lrs3(tmp_path / "lrs3", video, talks=1, clips=1)
    for absent in ("pretrain", "trainval"):
        shutil.rmtree(root / absent)
    result = run_recipe("lrs3/vsr", tmp_path, *options(root, "lrs3"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.findall(r"stage (\d+):", result.stdout) == ["0", "1", "2", "6", "7"]
    assert "DIFFERS: test utterances: 2, published 1,321" in result.stdout
    assert "DIFFERS: test words: 5, published 9,890" in result.stdout
    page = page_of(tmp_path)
    for normaliser, words in (("lower", 5), ("13a", 5), ("whisper", 6)):  # Whisper's normaliser writes "it is"
        assert re.search(rf"\| lrs3 \| own \| test_{normaliser} \| 2 \| 0 \| {words} \|", page), page
    published = "| lrs3 | published | LRS3 test, with its language model | - | - | - | - | - | - | 19.1 |"
    assert page.count(published) == 1 and "counted by the normaliser lower" in page
    assert "DIFFERS: test words" in page, "the page says that these are other clips than the published ones"
    assert "nothing was trained here" in page and "Training:" not in page
    search = read_json(tmp_path / "work/exp/lrs3/decode_test_own/score_lower.json")["scored_from"]["made"]["search"]
    assert (search["beam"], search["ctc_weight"], search["lm_weight"]) == (40, 0.1, 0.3) and search["lm"]
    second = run_recipe("lrs3/vsr", tmp_path, *options(root, "lrs3", "--beam", "3"))
    assert second.returncode == 0 and second.stdout.count("done before") == 3, second.stdout + second.stderr
    page = page_of(tmp_path)
    assert "| lrs3 | own_beam3 | test_lower |" in page and page.count(published) == 1
    misspelled = run_recipe("lrs3/vsr", tmp_path, *options(root, "lsr3"))
    assert misspelled.returncode == 1 and "near: lrs3" in misspelled.stderr and "stage 1" not in misspelled.stdout


@pytest.mark.slow
def test_lrs2_by_a_folder_has_no_published_figure(tmp_path, video, tiny_model):
    root = lrs_tree.make_lrs2(tmp_path / "lrs2" / "mvlrs_v1", video)
    shutil.rmtree(root / "pretrain")
    (root.parent / "train.txt").unlink()
    result = run_recipe("lrs2/vsr", tmp_path, *options(root, tiny_model, "--beam", "2", "--name", "mine"))
    assert result.returncode == 0, result.stdout + result.stderr
    page = page_of(tmp_path)
    assert re.search(r"\| mine \| own_beam2 \| test_lower \| 1 \| 0 \| 3 \|", page), page
    assert "| published |" not in page


def test_options_that_do_not_go_together_stop_at_once(tmp_path, tiny_model):
    root = lrs_tree.make_lrs3(tmp_path / "lrs3", talks=1, clips=1)
    for arguments, message in (
        (options(root, tiny_model, "--lm-config", "conf/lm.yaml"), "leave it out"),
        (options(root / "trainval", tiny_model), "has no folder test: it is not LRS3"),
    ):
        result = run_recipe("lrs3/vsr", tmp_path, *arguments)
        assert result.returncode == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1


def test_test_list_alone_equals_that_of_the_whole_corpus(tmp_path, capsys):
    lrs3 = lrs_tree.make_lrs3(tmp_path / "lrs3", talks=2, clips=1)
    lrs2 = lrs_tree.make_lrs2(tmp_path / "lrs2" / "mvlrs_v1")
    for name, root in (("lrs3", lrs3), ("lrs2", lrs2)):
        for flags in ([], ["--test-only"]):
            out = tmp_path / f"{name}{len(flags)}"
            assert main(["prepare", name, "--corpus", str(root), "--out", str(out), *flags]) == 0
        assert (tmp_path / f"{name}0/test.jsonl").read_bytes() == (tmp_path / f"{name}1/test.jsonl").read_bytes()
        assert [path.name for path in (tmp_path / f"{name}1").glob("[!.]*.jsonl")] == ["test.jsonl"]
        counts = json.loads((tmp_path / f"{name}1/report.json").read_text(encoding="utf-8"))["counts"]
        assert [count["what"] for count in counts] == ["test utterances", "test words"]
    capsys.readouterr()
    assert main(["prepare", "grid", "--corpus", str(lrs3), "--out", str(tmp_path / "no"), "--test-only"]) == 2
    assert "--test-only works only with lrs3 and lrs2" in capsys.readouterr().err and not (tmp_path / "no").exists()


def test_models_where_prints_folders(tiny_model, capsys):
    assert main(["models", "where", str(tiny_model), "grid"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == str(tiny_model) and second.endswith("weights")
    assert main(["models", "where"]) == 2


def test_models_where_refuses_what_is_no_model(tmp_path, capsys):
    (tmp_path / "clip.mp4").write_bytes(b"film")
    for path in (tmp_path / "clip.mp4", tmp_path):
        assert main(["models", "where", str(path)]) == 1
    captured = capsys.readouterr()
    assert not captured.out and captured.err.count("\n") == 2
