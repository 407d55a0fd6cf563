"""Two rows of voices are compared on the clips that both have, and chance is called chance."""

import json

import numpy as np
import pytest

from lip2speech.cli import main
from lip2speech.evaluation.corpus import Outcome
from lip2speech.evaluation.paired_comparison import ERRORS, pair, pair_table, pairs_of
from vsr.data.manifest import Clip, write_manifest
from vsr.media.audio import write_wave

ONES = np.ones(50)


def test_the_interval_is_of_pairs_and_not_of_rows():
    """Clips differ much, the rows by the same little in each: the difference is certain."""
    a = np.random.default_rng(0).normal(0, 100, 50)
    own = pair("x", a, a + 1, ONES, 1)
    assert (own.low, own.high) == pytest.approx((1, 1)) and own.better == 1
    assert pair("x", a, a + 1, ONES, -1).better == 0


def test_the_other_way_round_is_the_negative():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 50), rng.normal(0.2, 1, 50)
    one, two = pair("x", a, b, ONES, 1), pair("x", b, a, ONES, 1)
    assert (one.low, one.high) == pytest.approx((-two.high, -two.low))
    assert one.better == pytest.approx(1 - two.better) and (one.a, one.b) == (two.b, two.a)


def test_rows_of_the_same_voices_are_even():
    own = pair("x", ONES, ONES, ONES, 1)
    assert (own.low, own.high, own.better) == (0, 0, 0.5)


def test_words_are_counted_over_all_clips_and_what_is_not_heard_is_deleted():
    clips = [Clip(id="a", video="", text="bin red"), Clip(id="b", video="", text="a b c d"), Clip("c", "", "")]
    first = [Outcome("A", "a", heard="bin red"), Outcome("A", "b", heard="a b c d"), Outcome("A", "c")]
    second = [Outcome("B", "a", heard="bin blue"), Outcome("B", "b", reason="missing"), Outcome("B", "c")]
    (own,) = pairs_of(clips, first, second, asr=True)
    assert (own.title, own.a, own.b, own.n, own.better) == (ERRORS, 0, pytest.approx(100 * 5 / 6), 2, 0)
    assert pairs_of(clips, first, second, asr=False) == []
    assert f"| {ERRORS} | 0.0 | 83.3 | +83.3 " in pair_table([own], ("x", "y"))


def test_through_the_command(tmp_path, capsys, voice_like):
    natural = tmp_path / "natural.wav"
    write_wave(natural, voice_like)
    clips = [Clip(id=name, video=str(natural), text="") for name in "ab"]
    write_manifest(tmp_path / "list.jsonl", clips)
    rng = np.random.default_rng(0)
    for folder, loud in (("good", 0.001), ("bad", 0.1)):
        (tmp_path / folder).mkdir()
        for name in "ab":
            write_wave(
                tmp_path / folder / f"{name}.wav", voice_like + loud * rng.normal(size=48_000).astype(np.float32)
            )
    given = ["compare", str(tmp_path / "bad"), str(tmp_path / "good"), "--manifest", str(tmp_path / "list.jsonl")]
    assert main([*given, "-o", str(tmp_path / "pairs.json")]) == 0
    assert "| bad | good | good - bad (95 %)" in capsys.readouterr().out
    found = {own["title"]: own for own in json.loads((tmp_path / "pairs.json").read_text("utf-8"))["pairs"]}
    assert found["STOI"]["b"] > found["STOI"]["a"] and found["STOI"]["better"] == 1 and found["STOI"]["n"] == 2
    assert found["MCD dB"]["b"] < found["MCD dB"]["a"] and found["MCD dB"]["better"] == 1
    (tmp_path / "good" / "b.wav").unlink()
    assert main(given) == 1 and "1 voices could not be scored" in capsys.readouterr().out
    assert main(["compare", given[1], given[1], *given[3:]]) == 2 and "given twice" in capsys.readouterr().err
    assert main(["compare", given[1], str(tmp_path / "no"), *given[3:]]) == 2
    assert main([*given, "-o", given[-1]]) == 1
