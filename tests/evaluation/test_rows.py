"""What a comparison of arms writes and prints."""

import json

from vsr.evaluation.rows import keep_and_compare, print_gains
from vsr.evaluation.wer import score_utterance

BEFORE = [score_utterance(f"{i}", "bin blue at f", "bin glue at f") for i in range(8)]
AFTER = [score_utterance(f"{i}", "bin blue at f", "bin blue at f") for i in range(8)]


def test_a_run_is_kept_and_compared_with_another(tmp_path, capsys):
    keep_and_compare(tmp_path / "before", BEFORE)
    assert capsys.readouterr().out == "test WER 25.00 (25.00 - 25.00), 8 clips, 32 words\n"
    keep_and_compare(tmp_path / "after", AFTER, tmp_path / "before")
    assert f"better than {tmp_path / 'before'} by 25.00 points (25.00 to 25.00)" in capsys.readouterr().out
    rows = json.loads((tmp_path / "after/test.json").read_text("utf-8"))
    assert [row["id"] for row in rows] == [str(i) for i in range(8)]


def test_gains_are_of_the_second_arm_over_the_first(capsys):
    print_gains({"a": AFTER, "b": BEFORE}, [("a", "b")])
    assert capsys.readouterr().out == "a -> b: -25.00 points of WER better [-25.00, -25.00]\n"
