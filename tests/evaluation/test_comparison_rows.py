"""What a comparison of arms writes and prints."""

import json

import pytest

from vsr.core.errors import VsrError
from vsr.evaluation.comparison_rows import against, gains, over_seeds, write_scores
from vsr.evaluation.wer import score_utterance

BEFORE = [score_utterance(f"{i}", "bin blue at f", "bin glue at f") for i in range(8)]
AFTER = [score_utterance(f"{i}", "bin blue at f", "bin blue at f") for i in range(8)]


def test_run_is_stored_and_compared_with_another(tmp_path):
    write_scores(tmp_path / "before", {"test": BEFORE, "dev": BEFORE})
    write_scores(tmp_path / "after", {"test": AFTER})
    (line,) = against(tmp_path / "before", tmp_path / "after")
    assert line.startswith("test: WER 25.00 (25.00 - 25.00), 8 clips, 32 words -> WER 0.00 ")
    assert line.endswith("better by 25.00 (25.00 to 25.00)")
    rows = json.loads((tmp_path / "after/scores.json").read_text("utf-8"))["test"]
    assert [row["id"] for row in rows] == [str(i) for i in range(8)]


def test_gains_are_of_the_second_arm_over_the_first():
    (line,) = gains({"a": AFTER, "b": BEFORE}, [("a", "b")])
    assert line == "a -> b: -25.00 points of WER better [-25.00, -25.00]"


def test_seeds_are_averaged_and_clips_are_drawn_with_all_of_theirs(tmp_path):
    for name, scores in {"base0": BEFORE, "base1": AFTER, "new0": AFTER, "new1": AFTER}.items():
        write_scores(tmp_path / name, {"test": scores, "of some": scores} if name == "new0" else {"test": scores})
    before, after = ([tmp_path / f"{name}{seed}" for seed in (0, 1)] for name in ("base", "new"))
    (line,) = over_seeds(before, after)
    assert line == (
        "test, 8 clips, 32 words: WER 25.00, 0.00 (mean 12.50) -> 0.00, 0.00 (mean 0.00);"
        " better by 12.50 (12.50 to 12.50)"
    )


def test_refuses_runs_that_do_not_match(tmp_path):
    write_scores(tmp_path / "a", {"test": BEFORE})
    write_scores(tmp_path / "b", {"test": AFTER[1:]})
    for before, after, message in (("a", "b", "different clips"), ("a", "c", "not there")):
        with pytest.raises(VsrError, match=message):
            list(over_seeds([tmp_path / before], [tmp_path / after]))
    with pytest.raises(VsrError, match="1 runs against 2"):
        list(over_seeds([tmp_path / "a"], [tmp_path / "a", tmp_path / "b"]))
