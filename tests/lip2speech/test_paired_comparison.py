"""Two rows of voices are compared on the clips that both have, and insignificant differences show as such."""

import json

import numpy as np
import pytest

from lip2speech.cli import main
from lip2speech.evaluation.corpus import Outcome
from lip2speech.evaluation.paired_comparison import ERRORS, pair, pair_table, pairs_of
from vsr.data.manifest import Clip, write_manifest
from vsr.media.audio import write_wave

ONES = np.ones(50)


def test_interval_is_of_pairs_and_not_of_rows():
    """Clips differ much, the rows by the same small amount in each: the difference is certain."""
    a = np.random.default_rng(0).normal(0, 100, 50)
    comparison = pair("x", a, a + 1, ONES, 1)
    assert (comparison.low, comparison.high) == pytest.approx((1, 1)) and comparison.better == 1
    assert pair("x", a, a + 1, ONES, -1).better == 0


def test_comparison_in_reverse_is_the_negative():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 50), rng.normal(0.2, 1, 50)
    forward, reverse = pair("x", a, b, ONES, 1), pair("x", b, a, ONES, 1)
    assert (forward.low, forward.high) == pytest.approx((-reverse.high, -reverse.low))
    assert forward.better == pytest.approx(1 - reverse.better) and (forward.a, forward.b) == (reverse.b, reverse.a)


def test_equal_rows_are_even():
    comparison = pair("x", ONES, ONES, ONES, 1)
    assert (comparison.low, comparison.high, comparison.better) == (0, 0, 0.5)


def test_words_are_counted_over_all_clips_and_missing_ones_are_deleted():
    clips = [Clip(id="a", video="", text="bin red"), Clip(id="b", video="", text="a b c d"), Clip("c", "", "")]
    first = [Outcome("A", "a", heard="bin red"), Outcome("A", "b", heard="a b c d"), Outcome("A", "c")]
    second = [Outcome("B", "a", heard="bin blue"), Outcome("B", "b", reason="missing"), Outcome("B", "c")]
    (comparison,) = pairs_of(clips, first, second, asr=True)
    assert (comparison.title, comparison.a, comparison.b, comparison.n, comparison.better) == (
        ERRORS,
        0,
        pytest.approx(100 * 5 / 6),
        2,
        0,
    )
    assert pairs_of(clips, first, second, asr=False) == []
    assert f"| {ERRORS} | 0.0 | 83.3 | +83.3 " in pair_table([comparison], ("x", "y"))


def test_compare_command_writes_a_table(tmp_path, capsys, voice_like):
    natural = tmp_path / "natural.wav"
    write_wave(natural, voice_like)
    clips = [Clip(id=name, video=str(natural), text="") for name in "ab"]
    write_manifest(tmp_path / "list.jsonl", clips)
    rng = np.random.default_rng(0)
    for folder, level in (("good", 0.001), ("bad", 0.1)):
        (tmp_path / folder).mkdir()
        for name in "ab":
            write_wave(
                tmp_path / folder / f"{name}.wav", voice_like + level * rng.normal(size=48_000).astype(np.float32)
            )
    command = ["compare", str(tmp_path / "bad"), str(tmp_path / "good"), "--manifest", str(tmp_path / "list.jsonl")]
    assert main([*command, "-o", str(tmp_path / "pairs.json")]) == 0
    assert "| bad | good | good - bad (95 %)" in capsys.readouterr().out
    pairs = {record["title"]: record for record in json.loads((tmp_path / "pairs.json").read_text("utf-8"))["pairs"]}
    assert pairs["STOI"]["b"] > pairs["STOI"]["a"] and pairs["STOI"]["better"] == 1 and pairs["STOI"]["n"] == 2
    assert pairs["MCD dB"]["b"] < pairs["MCD dB"]["a"] and pairs["MCD dB"]["better"] == 1
    (tmp_path / "good" / "b.wav").unlink()
    assert main(command) == 1 and "1 voices could not be scored" in capsys.readouterr().out
    assert main(["compare", command[1], command[1], *command[3:]]) == 2 and "given twice" in capsys.readouterr().err
    assert main(["compare", command[1], str(tmp_path / "no"), *command[3:]]) == 2
    assert main([*command, "-o", command[-1]]) == 1
