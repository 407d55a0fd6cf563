"""Error rates by phonemes, visemes and characters; which words are read worse."""

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
    """Levenshtein's, by its recursion."""
    row = list(range(len(hypothesis) + 1))
    for i, own in enumerate(reference, 1):
        new = [i]
        for j, said in enumerate(hypothesis, 1):
            new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (own != said)))
        row = new
    return row[-1]


def test_the_nearest_of_all_choices_counts():
    rng = np.random.default_rng(0)
    for _ in range(60):
        words = [
            [tuple(rng.choice(list("abc"), int(rng.integers(1, 4)))) for _ in range(int(rng.integers(1, 4)))]
            for _ in range(int(rng.integers(1, 4)))
        ]
        said = rng.choice(list("abc"), int(rng.integers(0, 7))).tolist()
        every = [distance(list(itertools.chain(*own)), said) for own in itertools.product(*words)]
        found = least_edits(words, said)
        assert found.errors == min(every) == found.substitutions + found.deletions + found.insertions
        assert found.units + found.insertions - found.deletions == len(said)


@pytest.fixture
def dictionary(tmp_path):
    path = tmp_path / "dictionary.txt"
    path.write_text("pat P AE T\nbat B AE T\nthe DH AH\nthe DH IY\nsat S AE T\n")
    return str(path)


def test_by_hand(dictionary):
    records = {"a": {"text": "the bat sat"}, "b": {"text": "DH IY | P AE T", "unit": "phoneme"}}
    texts = {"a": "the pat sat", "b": "the pat sat", "c": "sat"}
    phones, each = score_units(texts, records, "phoneme", [dictionary])
    assert (each["a"].errors, each["b"].errors) == (1, 3) and phones.units == 16 and phones.rate == 4 / 16
    assert phones.skipped == 1 and phones.deletions == 3 and phones.substitutions == 1
    visemes, each = score_units(texts, records, "viseme", [dictionary])
    assert (each["a"].errors, each["b"].errors) == (0, 3) and visemes.low <= visemes.rate <= visemes.high
    characters, each = score_units({"a": "the pat sat"}, {"a": {"text": "the bat sat"}}, "char")
    assert characters.rate == 1 / 11


def test_characters_agree_with_the_cer_of_words():
    texts, said = {"a": "bin blue at f", "b": "lay red"}, {"a": "bin blew at", "b": "lay read by"}
    total, _ = score(texts, said)
    found, _ = score_units(texts, {key: {"text": text} for key, text in said.items()}, "char")
    assert found.rate == pytest.approx(total.cer)


@pytest.mark.parametrize(
    "record, unit, printed",
    [
        ({"text": "p a t", "unit": "viseme"}, "phoneme", "phonemes cannot be made"),
        ({"text": "P AE T", "unit": "phoneme"}, "char", "chars cannot be made"),
        ({"text": "P QQ", "unit": "phoneme"}, "phoneme", "'QQ' is no phoneme"),
    ],
)
def test_units_that_do_not_fit_are_refused(record, unit, printed, dictionary):
    with pytest.raises(VsrError, match=printed):
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
    _, each = score(texts, {"a": "bat sat", "b": "bat sat", "c": "the"})
    rows = by_viseme(each, Pronouncer([dictionary]))
    assert rows["p"] == (1, 2) and rows["s"] == (1, 3) and rows["T"] == (0, 1) and rows["t"] == (2, 5)
    rows = by_frequency(each, ["sat"] * 12 + ["pat pat"])
    assert rows == {"0": (0, 2), "1-9": (1, 1), "10-99": (1, 3)}


def files(tmp_path, records):
    write_manifest(tmp_path / "ref.jsonl", [Clip("a", "a.mp4", "the pat"), Clip("b", "b.mp4", "sat")])
    (tmp_path / "hyp.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    return ["score", "--ref", str(tmp_path / "ref.jsonl"), "--hyp", str(tmp_path / "hyp.jsonl")]


def test_the_verb_scores_units(tmp_path, dictionary, capsys):
    call = files(tmp_path, [{"id": "a", "text": "DH AH P AE", "unit": "phoneme"}])
    out = tmp_path / "result.json"
    assert main([*call, "--unit", "phoneme", "--dictionary", dictionary, "--json", str(out)]) == 0
    assert "PER 20.00%" in capsys.readouterr().out
    assert json.loads(out.read_text())["deletions"] == 1


@pytest.mark.parametrize(
    "record, more, printed",
    [
        ({"id": "a", "text": "P AE T", "unit": "phoneme"}, [], "add --unit phoneme"),
        ({"id": "a", "text": "pat"}, ["--unit", "char", "--by", "viseme"], "work only on words"),
        ({"id": "a", "text": "pat"}, ["--counted-in", "x"], "--by frequency"),
        ({"id": "z", "text": "pat"}, ["--unit", "char"], "no reference"),
    ],
)
def test_the_verb_refuses_in_one_line(tmp_path, record, more, printed, capsys):
    assert main([*files(tmp_path, [record]), *more]) == (2 if "only on" in printed or "--by" in printed else 1)
    said = capsys.readouterr().err.strip()
    assert printed in said and "\n" not in said


def test_the_verb_shows_tables(tmp_path, dictionary, capsys):
    call = files(tmp_path, [{"id": "a", "text": "the bat"}, {"id": "b", "text": "sat"}])
    assert main([*call, "--by", "viseme", "frequency", "--dictionary", dictionary]) == 0
    shown = capsys.readouterr().out
    assert "words with viseme" in shown and "times in the texts" in shown and "50.0%" in shown


def test_the_prior_is_the_likeliest_word_of_each_place(tmp_path, capsys):
    assert prior_text(["bin blue", "bin red", "lay red", "set"]) == "bin red"
    with pytest.raises(VsrError, match="no text"):
        prior_text(["", " "])
    call = files(tmp_path, [])[:3]
    write_manifest(tmp_path / "train.jsonl", [Clip("t", "t.mp4", "the pat"), Clip("u", "u.mp4", "the sat")])
    assert main([*call, "--prior", str(tmp_path / "train.jsonl")]) == 0
    assert "of 3 words  scored 2  skipped 0" in (shown := capsys.readouterr().out) and "WER 66.67%" in shown
    assert main([*call, "--prior", str(tmp_path / "train.jsonl"), "--accuracy"]) == 2
