"""Scores agree with jiwer, add up, and count what was left out."""

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.core.errors import VsrError
from vsr.evaluation.topk import read_ranked
from vsr.evaluation.wer import read_hypotheses, score, word_errors, write_tsv

sentence = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), min_size=1, max_size=6).map(" ".join)
pairs = st.lists(st.tuples(sentence, sentence), min_size=1, max_size=6)


@settings(deadline=None)  # the first example loads jiwer
@given(pairs)
def test_corpus_rates_agree_with_jiwer(texts):
    references = {f"u{i}": r for i, (r, _) in enumerate(texts)}
    hypotheses = {f"u{i}": h for i, (_, h) in enumerate(texts)}
    total, utterances = score(references, hypotheses, "none")
    assert total.wer == pytest.approx(jiwer.wer([r for r, _ in texts], [h for _, h in texts]))
    assert total.cer == pytest.approx(jiwer.cer([r for r, _ in texts], [h for _, h in texts]))
    assert total.substitutions + total.deletions + total.insertions == sum(u.errors for u in utterances)
    assert total.wer_low <= total.wer_high


def test_skipped_clips_are_counted_and_unknown_ids_refused():
    total, _ = score({"a": "one two", "b": "three"}, {"a": "one two"})
    assert (total.scored, total.skipped, total.words, total.wer) == (1, 1, 2, 0.0)
    with pytest.raises(VsrError, match="no reference"):
        score({"a": "one"}, {"z": "one"})
    with pytest.raises(VsrError, match="nothing to score"):
        score({"a": "one"}, {})


def test_interval_contains_the_rate_and_shrinks_with_more_clips():
    def run(count):
        references = {f"u{i:03d}": "a b c d" for i in range(count)}
        return score(references, {k: "a b c" if i % 2 else "a b c d" for i, k in enumerate(references)})[0]

    few, many = run(10), run(200)
    assert few.wer_low <= few.wer == many.wer <= few.wer_high
    assert many.wer_high - many.wer_low < few.wer_high - few.wer_low


def test_errors_of_empty_texts():
    assert word_errors("", "a b") == (2, 0)
    assert word_errors("a b", "") == (2, 2)


def test_hypotheses_are_read_and_errors_written_as_tsv(tmp_path):
    (tmp_path / "hyp.jsonl").write_text('{"id": "a", "text": "one"}\n', encoding="utf-8")
    assert read_hypotheses(tmp_path / "hyp.jsonl") == {"a": "one"}
    _, utterances = score({"a": "one two"}, {"a": "one"})
    write_tsv(tmp_path / "x.tsv", utterances)
    header, row = (tmp_path / "x.tsv").read_text(encoding="utf-8").splitlines()
    assert dict(zip(header.split("\t"), row.split("\t"), strict=True))["deletions"] == "1"
    (tmp_path / "bad.jsonl").write_text('{"id": "a"}\n', encoding="utf-8")
    with pytest.raises(VsrError, match="line 1"):
        read_hypotheses(tmp_path / "bad.jsonl")


@pytest.mark.parametrize(
    "line, problem",
    [
        ('{"id": "a", "text": "two"}', "line 2: the id a is there twice"),
        ('{"id": "b", "text": null}', "line 2: id and text must be strings"),
        ('{"id": 5, "text": "two"}', "line 2: id and text must be strings"),
        ("[1]", "line 2: no hypothesis with id and text"),
    ],
)
def test_refuses_hypotheses_that_cannot_be_scored(tmp_path, line, problem):
    (tmp_path / "hyp.jsonl").write_text('{"id": "a", "text": "one"}\n' + line, encoding="utf-8")
    with pytest.raises(VsrError, match=problem):
        read_hypotheses(tmp_path / "hyp.jsonl")


def test_refuses_a_clip_ranked_twice(tmp_path):
    (tmp_path / "hyp.jsonl").write_text(2 * '{"id": "a", "nbest": [{"text": "one"}]}\n', encoding="utf-8")
    with pytest.raises(VsrError, match="line 2: the id a is there twice"):
        read_ranked(tmp_path / "hyp.jsonl")
