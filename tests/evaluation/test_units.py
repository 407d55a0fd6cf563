"""Error rates in phonemes, visemes and characters; and which words have more errors."""

import itertools
import json

import numpy as np
import pytest

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, write_manifest
from vsr.evaluation.breakdown import by_frequency, by_viseme
from vsr.evaluation.prior import prior_text
from vsr.evaluation.units import least_edits, score_units, token_edits
from vsr.evaluation.wer import score
from vsr.text.pronounce import Pronouncer
from vsr.text.unit_tokenizers import UnitSettings, units_tokenizer


def distance(reference, hypothesis):
    """The Levenshtein distance by its recursion."""
    row = list(range(len(hypothesis) + 1))
    for i, expected in enumerate(reference, 1):
        new = [i]
        for j, read in enumerate(hypothesis, 1):
            new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (expected != read)))
        row = new
    return row[-1]


def test_nearest_of_all_pronunciations_counts():
    rng = np.random.default_rng(0)
    for _ in range(60):
        words = [
            [tuple(rng.choice(list("abc"), int(rng.integers(1, 4)))) for _ in range(int(rng.integers(1, 4)))]
            for _ in range(int(rng.integers(1, 4)))
        ]
        hypothesis = rng.choice(list("abc"), int(rng.integers(0, 7))).tolist()
        distances = [
            distance(list(itertools.chain(*pronunciations)), hypothesis) for pronunciations in itertools.product(*words)
        ]
        edits = least_edits(words, hypothesis)
        assert edits.errors == min(distances) == edits.substitutions + edits.deletions + edits.insertions
        assert edits.units + edits.insertions - edits.deletions == len(hypothesis)


@pytest.fixture
def dictionary(tmp_path):
    path = tmp_path / "dictionary.txt"
    path.write_text("pat P AE T\nbat B AE T\nthe DH AH\nthe DH IY\nsat S AE T\n")
    return str(path)


def test_rates_by_hand(dictionary):
    records = {"a": {"text": "the bat sat"}, "b": {"text": "DH IY | P AE T", "unit": "phoneme"}}
    texts = {"a": "the pat sat", "b": "the pat sat", "c": "sat"}
    phones, scores = score_units(texts, records, "phoneme", [dictionary])
    assert (scores["a"].errors, scores["b"].errors) == (1, 3) and phones.units == 16 and phones.rate == 4 / 16
    assert phones.skipped == 1 and phones.deletions == 3 and phones.substitutions == 1
    visemes, scores = score_units(texts, records, "viseme", [dictionary])
    assert (scores["a"].errors, scores["b"].errors) == (0, 3) and visemes.low <= visemes.rate <= visemes.high
    characters, scores = score_units({"a": "the pat sat"}, {"a": {"text": "the bat sat"}}, "char")
    assert characters.rate == 1 / 11


def test_characters_agree_with_the_cer_of_words():
    texts, hypotheses = {"a": "bin blue at f", "b": "lay red"}, {"a": "bin blew at", "b": "lay read by"}
    total, _ = score(texts, hypotheses)
    by_character, _ = score_units(texts, {key: {"text": text} for key, text in hypotheses.items()}, "char")
    assert by_character.rate == pytest.approx(total.cer)


@pytest.mark.parametrize(
    "record, unit, message",
    [
        ({"text": "p a t", "unit": "viseme"}, "phoneme", "phonemes cannot be made"),
        ({"text": "P AE T", "unit": "phoneme"}, "char", "chars cannot be made"),
        ({"text": "P QQ", "unit": "phoneme"}, "phoneme", "'QQ' is no phoneme"),
    ],
)
def test_refuses_units_that_do_not_fit(record, unit, message, dictionary):
    with pytest.raises(VsrError, match=message):
        score_units({"a": "pat"}, {"a": record}, unit, [dictionary])


def test_tokens_count_without_marks(dictionary):
    tokenizer = units_tokenizer(UnitSettings(dictionary=(dictionary,)), ["the pat"])
    right = tokenizer.encode("the pat")
    assert token_edits(tokenizer, "the pat", right)[:1] == (0,)
    other = tokenizer.ids(["DH", "IY", "P", "AE", "T"])
    assert token_edits(tokenizer, "the pat", other).errors == 0  # the other pronunciation, and no mark
    assert token_edits(tokenizer, "the pat", other[1:]).deletions == 1


def test_words_are_told_apart_by_viseme_and_frequency(dictionary):
    texts = {"a": "pat sat", "b": "bat sat", "c": "the sat"}
    _, scores = score(texts, {"a": "bat sat", "b": "bat sat", "c": "the"})
    rows = by_viseme(scores, Pronouncer([dictionary]))
    assert rows["p"] == (1, 2) and rows["s"] == (1, 3) and rows["T"] == (0, 1) and rows["t"] == (2, 5)
    rows = by_frequency(scores, ["sat"] * 12 + ["pat pat"])
    assert rows == {"0": (0, 2), "1-9": (1, 1), "10-99": (1, 3)}


def files(tmp_path, records):
    write_manifest(tmp_path / "ref.jsonl", [Clip("a", "a.mp4", "the pat"), Clip("b", "b.mp4", "sat")])
    (tmp_path / "hyp.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    return ["score", "--ref", str(tmp_path / "ref.jsonl"), "--hyp", str(tmp_path / "hyp.jsonl")]


def test_command_scores_units(tmp_path, dictionary, capsys):
    command = files(tmp_path, [{"id": "a", "text": "DH AH P AE", "unit": "phoneme"}])
    out = tmp_path / "result.json"
    assert main([*command, "--unit", "phoneme", "--dictionary", dictionary, "--json", str(out)]) == 0
    assert "PER 20.00%" in capsys.readouterr().out
    assert json.loads(out.read_text())["deletions"] == 1


@pytest.mark.parametrize(
    "record, options, message",
    [
        ({"id": "a", "text": "P AE T", "unit": "phoneme"}, [], "add --unit phoneme"),
        ({"id": "a", "text": "pat"}, ["--unit", "char", "--by", "viseme"], "work only on words"),
        ({"id": "a", "text": "pat"}, ["--counted-in", "x"], "--by frequency"),
        ({"id": "z", "text": "pat"}, ["--unit", "char"], "no reference"),
    ],
)
def test_command_refuses_in_one_line(tmp_path, record, options, message, capsys):
    assert main([*files(tmp_path, [record]), *options]) == (2 if "only on" in message or "--by" in message else 1)
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error


def test_command_shows_tables(tmp_path, dictionary, capsys):
    command = files(tmp_path, [{"id": "a", "text": "the bat"}, {"id": "b", "text": "sat"}])
    assert main([*command, "--by", "viseme", "frequency", "--dictionary", dictionary]) == 0
    output = capsys.readouterr().out
    assert "words with viseme" in output and "times in the texts" in output and "50.0%" in output


def test_prior_is_the_likeliest_word_of_each_place(tmp_path, capsys):
    assert prior_text(["bin blue", "bin red", "lay red", "set"]) == "bin red"
    with pytest.raises(VsrError, match="no text"):
        prior_text(["", " "])
    command = files(tmp_path, [])[:3]
    write_manifest(tmp_path / "train.jsonl", [Clip("t", "t.mp4", "the pat"), Clip("u", "u.mp4", "the sat")])
    assert main([*command, "--prior", str(tmp_path / "train.jsonl")]) == 0
    assert "of 3 words  scored 2  skipped 0" in (output := capsys.readouterr().out) and "WER 66.67%" in output
    assert main([*command, "--prior", str(tmp_path / "train.jsonl"), "--accuracy"]) == 2
