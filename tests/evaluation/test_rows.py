"""What a comparison of arms writes and prints."""

import json

from vsr.evaluation.rows import against, keep_scores, print_gains
from vsr.evaluation.wer import score_utterance

BEFORE = [score_utterance(f"{i}", "bin blue at f", "bin glue at f") for i in range(8)]
AFTER = [score_utterance(f"{i}", "bin blue at f", "bin blue at f") for i in range(8)]


def test_a_run_is_kept_and_compared_with_another(tmp_path):
    keep_scores(tmp_path / "before", {"test": BEFORE, "dev": BEFORE})
    keep_scores(tmp_path / "after", {"test": AFTER})
    (line,) = against(tmp_path / "before", tmp_path / "after")
    assert line.startswith("test: WER 25.00 (25.00 - 25.00), 8 clips, 32 words -> WER 0.00 ")
    assert line.endswith("better by 25.00 (25.00 to 25.00)")
    rows = json.loads((tmp_path / "after/scores.json").read_text("utf-8"))["test"]
    assert [row["id"] for row in rows] == [str(i) for i in range(8)]


def test_gains_are_of_the_second_arm_over_the_first(capsys):
    print_gains({"a": AFTER, "b": BEFORE}, [("a", "b")])
    assert capsys.readouterr().out == "a -> b: -25.00 points of WER better [-25.00, -25.00]\n"
