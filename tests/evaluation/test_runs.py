"""Rows of all runs: a repeated score replaces its own row, and every row keeps its own command."""

import json
import re

import pytest

from vsr.cli import main
from vsr.core.files import read_json, write_json, write_lines
from vsr.data.manifest import Clip, write_manifest
from vsr.evaluation.runs import key_of, read_runs, with_run
from vsr.evaluation.wer_line import wer_line
from vsr.evaluation.word_timing import time_errors


def run_of(name, tag, command="x", test_list=""):
    return {"name": name, "tag": tag, "list": test_list, "date": "d", "command": command, "model": {}, "scores": {}}


def test_run_of_the_same_name_tag_and_list_is_replaced():
    runs = [run_of("a", "x"), run_of("a", "y"), run_of("b", "x")]
    for other in (run_of("c", "x"), run_of("a", "z"), run_of("a", "x", test_list="dev")):
        assert with_run(runs, other) == [*runs, other]
    for index, run in enumerate(runs):
        new = run | {"command": "new"}
        replaced = with_run(runs, new)
        assert replaced[index] == new and replaced[:index] + replaced[index + 1 :] == runs[:index] + runs[index + 1 :]
    assert len(set(map(key_of, runs))) == 3


@pytest.fixture
def model_folder(tmp_path, monkeypatch):
    """A model, a manifest and the readings of two searches."""
    monkeypatch.chdir(tmp_path)
    write_manifest("test.jsonl", [Clip("c1", "c1.mp4", "bin blue at f"), Clip("c2", "c2.mp4", "lay red by g")])
    write_json("exp/m/model/config.json", {"model": {"dim": 4}, "training": {"steps": 3}})
    for tag, texts in (("beam4", ("bin blue at f", "lay red by b")), ("beam9", ("bin blue at f", "lay red by g"))):
        folder = f"exp/m/decode_test_{tag}"
        rows = [{"id": f"c{number}", "text": text} for number, text in enumerate(texts, start=1)]
        write_json(f"{folder}/x.json", {})
        write_lines(f"{folder}/hyp.jsonl", map(json.dumps, rows))
        score(folder)
    return tmp_path


def score(folder, *options):
    arguments = ["--hyp", f"{folder}/hyp.jsonl", "--json", f"{folder}/score.json", "--wer", f"{folder}/wer"]
    assert main(["score", "--ref", "test.jsonl", *arguments, *options]) == 0


def page_of(tag, command, *options):
    arguments = ["--tag", tag, "--command", command, "--out", "RESULTS.md", *options]
    return main(["results", "--run", "exp/m", *arguments])


def rows(text):
    return re.findall(r"^\| m \| (\w+) \| (\w+) \| .*?\| ([\d.]+) \| [\d.]+ - ", text, re.MULTILINE)


def test_page_is_appended_to(model_folder):
    assert page_of("beam4", "run.sh --beam 4") == 0 and page_of("beam9", "run.sh --beam 9") == 0
    page = (model_folder / "RESULTS.md").read_text("utf-8")
    assert rows(page) == [("beam4", "test", "12.50"), ("beam9", "test", "0.00")]
    assert "`run.sh --beam 4`" in page and "`run.sh --beam 9`" in page
    assert (model_folder / "exp/m/decode_test_beam4/wer").read_text() == "%WER 12.50 [ 1 / 8, 0 ins, 0 del, 1 sub ]\n"
    assert page_of("beam4", "run.sh --beam 4 --nj 3") == 0
    page = (model_folder / "RESULTS.md").read_text("utf-8")
    assert rows(page) == [("beam4", "test", "12.50"), ("beam9", "test", "0.00")], "its own row alone is another"
    assert "--nj 3`" in page and "`run.sh --beam 4`" not in page
    assert read_json("result.json")["tag"] == "beam4", "the run that was scored last, for vsr push"


def test_changed_hypotheses_get_no_row(model_folder, capsys):
    path = model_folder / "exp/m/decode_test_beam4/hyp.jsonl"
    path.write_text(path.read_text("utf-8").replace("blue", "white"), encoding="utf-8")
    assert page_of("beam4", "run.sh") == 1 and "scores an earlier" in capsys.readouterr().err
    assert not (model_folder / "RESULTS.md").exists()


@pytest.mark.parametrize(
    "tag, options, message",
    [
        ("beam7", (), "has no folder decode_LIST_beam7"),
        ("beam4", ("--lists", "test", "dev"), "decode_dev_beam4 holds no score.json"),
    ],
)
def test_missing_scores_are_one_line(model_folder, capsys, tag, options, message):
    assert page_of(tag, "run.sh", *options) == 1
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1 and not (model_folder / "RESULTS.md").exists()


def test_lists_and_ways_of_scoring_are_told_apart(model_folder):
    folder = "exp/m/decode_test_beam9"
    score(folder, "--normaliser", "alnum", "--json", f"{folder}/score_alnum.json")
    assert page_of("beam9", "run.sh", "--lists", "test") == 0
    assert [name for _, name, _ in rows((model_folder / "RESULTS.md").read_text("utf-8"))] == ["test", "test_alnum"]


def test_result_of_older_versions_is_the_first_row(model_folder):
    old = {"date": "2020-01-01", "commit": "abc", "command": "old.sh", "machine": "m", "model": {}, "training": {}}
    write_json("result.json", old | {"scores": {"test": read_json("exp/m/decode_test_beam4/score.json")}})
    assert page_of("beam9", "run.sh") == 0
    assert [run["command"] for run in read_runs(".", "scores")] == ["old.sh", "run.sh"]
    assert "| - | - | test | 2 |" in (model_folder / "RESULTS.md").read_text("utf-8")


@pytest.mark.parametrize("line", ["{", "[]", '{"date": "d"}', '{"date": "d", "command": "c", "model": {}, "rows": {}}'])
def test_page_of_something_else_is_not_overwritten(model_folder, capsys, line):
    (model_folder / "runs.jsonl").write_text(line + "\n", encoding="utf-8")
    assert page_of("beam4", "run.sh") == 1 and len(capsys.readouterr().err.splitlines()) == 1
    assert (model_folder / "runs.jsonl").read_text("utf-8") == line + "\n" and not (
        model_folder / "RESULTS.md"
    ).exists()


def test_line_of_isolated_words_has_their_accuracy():
    assert wer_line({"top1": 0.5, "top5": 1.0, "scored": 8}) == "%ACC 50.00 [ top 5: 100.00, 8 scored ]"
    short = {"top1": 0.5, "top5": None, "scored": 8, "listed": 0.75, "places": 3}
    assert wer_line(short) == "%ACC 50.00 [ top 3: 75.00, 8 scored ]"
    assert wer_line(short | {"places": 1}) == "%ACC 50.00 [ 8 scored ]"


def test_words_without_times_are_not_compared_by_them():
    clip = Clip("a", "a.mp4", "bin blue", words=(("bin", 0.0, 0.5), ("blue", 0.5, 1.0)))
    read = [{"word": "bin", "start": 0.1, "end": 0.5}, {"word": "blue", "confidence": 0.9}]
    assert time_errors([clip], {"a": {"words": read}})["words"] == 1
    assert time_errors([clip], {"a": {"words": read[1:]}}) == {}
