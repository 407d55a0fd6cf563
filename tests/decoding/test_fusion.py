"""Language models in the search: the fast search agrees with the plain one, n-grams with their definition."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from vsr.core.errors import VsrError
from vsr.decoding import ngram
from vsr.decoding.options import DecodeOptions
from vsr.decoding.search import decode
from vsr.decoding.shallow_fusion import NeuralLanguage
from vsr.models.language import LanguageModel, LanguageModelConfig
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.text.tokenizer import MARK, CharTokenizer

spec = importlib.util.spec_from_file_location("oracle", Path(__file__).with_name("oracle.py"))
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)

TOKENIZER = CharTokenizer("ab c")  # tokens: 2 a, 3 b, 4 space, 5 c
EOS = TOKENIZER.eos_id
LENGTHS = torch.tensor([9, 6, 11])
WORDS = {
    ("<s>",): (-99.0, -0.3), ("</s>",): (-0.9, 0.0), ("<unk>",): (-2.0, 0.0), ("a",): (-0.5, -0.2),
    ("ab",): (-0.8, -0.4), ("b",): (-1.2, -0.1), ("<s>", "a"): (-0.2, -0.5), ("a", "ab"): (-0.3, -0.1),
    ("ab", "</s>"): (-0.4, 0.0), ("<s>", "a", "ab"): (-0.1, 0.0), ("a", "ab", "</s>"): (-0.05, 0.0),
}  # fmt: skip
PIECES = {
    ("<s>",): (-99.0, -0.2), ("</s>",): (-1.0, 0.0), ("<unk>",): (-3.0, 0.0), (MARK,): (-0.7, -0.3),
    ("a",): (-0.4, -0.6), ("b",): (-1.1, -0.2), ("<s>", "b"): (-0.2, 0.0), ("a", MARK): (-0.3, 0.0),
    ("b", "a"): (-0.6, 0.0),
}  # fmt: skip


def write_arpa(path, grams):
    """An ARPA file of n-grams -> (log10 probability, log10 back-off)."""
    order = max(map(len, grams))
    lines = ["\\data\\", *(f"ngram {n}={sum(len(g) == n for g in grams)}" for n in range(1, order + 1))]
    for n in range(1, order + 1):
        rows = [f"{p}\t{' '.join(g)}" + (f"\t{b}" if n < order else "") for g, (p, b) in grams.items() if len(g) == n]
        lines += ["", f"\\{n}-grams:", *rows]
    path.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def kenlm():
    return pytest.importorskip("kenlm", reason=ngram.INSTALL)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    config = LipReaderConfig(
        vocab_size=EOS + 1, dim=16, heads=2, hidden=24, layers=1, decoder_layers=2, frontend_width=8, frontend_heads=2
    )
    model = LipReader(config).eval()
    for parameter in model.parameters():
        parameter.data.mul_(2)  # otherwise every step is nearly a tie
    return model


@pytest.fixture(scope="module")
def states(model):
    video = torch.randn(3, 11, 1, 88, 88, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        return model.encode(video, LENGTHS)


@pytest.fixture(scope="module")
def language():
    torch.manual_seed(2)
    model = LanguageModel(LanguageModelConfig(EOS + 1, dim=16, heads=2, hidden=24, layers=2)).eval()
    for parameter in model.parameters():
        parameter.data.mul_(1.5)
    return model


def compare(model, states, options, languages, plain):
    """Check that the fast search of the batch equals the plain search of each utterance."""
    with torch.inference_mode():
        with_language = decode(model, states, LENGTHS, options, EOS, languages)
        without = decode(model, states, LENGTHS, options, EOS)
        for hypotheses, utterance_states, length in zip(with_language, states, LENGTHS.tolist(), strict=True):
            expected = oracle.plain_joint_search(model, utterance_states[:length], options, EOS, plain)
            assert [h.tokens for h in hypotheses] == [h.tokens for h in expected]
            assert [h.score for h in hypotheses] == pytest.approx([h.score for h in expected], abs=1e-4)
    assert [h.tokens for hypotheses in with_language for h in hypotheses] != [
        h.tokens for hypotheses in without for h in hypotheses
    ]


def plain_words(grams, weight):
    """What n-grams of words add for a token: a word counts once a space ends it, the last one with the end."""

    def finished(tokens):
        return "".join(TOKENIZER.pieces(tokens)).rpartition(" ")[0].split()

    def added(tokens, c):
        ended = c == EOS
        words = TOKENIZER.decode(tokens).split() if ended else finished([*tokens, c])
        before = oracle.plain_ngram(grams, finished(tokens), False)
        return weight * (oracle.plain_ngram(grams, words, ended) - before)

    return added


def plain_pieces(grams, weight):
    """What n-grams of pieces add for a token; the space is written as SentencePiece's mark."""

    def added(tokens, c):
        units = [piece.replace(" ", MARK) for piece in TOKENIZER.pieces([*tokens, c])]
        after = units[:-1] if c == EOS else units
        before = oracle.plain_ngram(grams, units[:-1], False)
        return weight * (oracle.plain_ngram(grams, after, c == EOS) - before)

    return added


@pytest.mark.parametrize("options", [DecodeOptions(beam=4, nbest=3), DecodeOptions(beam=3, length_bonus=0.7)])
def test_neural_fusion_equals_the_plain_search(model, states, language, options):
    compare(
        model, states, options, [(0.6, NeuralLanguage(language))],
        lambda tokens, c: 0.6 * oracle.plain_language(language, EOS, tokens, c),
    )  # fmt: skip


@pytest.mark.parametrize("options", [DecodeOptions(beam=4, nbest=3), DecodeOptions(beam=3, length_bonus=0.7)])
def test_word_fusion_equals_the_plain_search(model, states, kenlm, tmp_path, options):
    words = ngram.NGram(write_arpa(tmp_path / "words.arpa", WORDS), TOKENIZER)
    assert words.over_words
    compare(model, states, options, [(0.8, words)], plain_words(WORDS, 0.8))


@pytest.mark.parametrize("options", [DecodeOptions(beam=4, nbest=3), DecodeOptions(beam=3, length_bonus=0.7)])
def test_piece_fusion_equals_the_plain_search(model, states, language, kenlm, tmp_path, options):
    pieces = ngram.NGram(write_arpa(tmp_path / "pieces.arpa", PIECES), TOKENIZER)
    assert not pieces.over_words
    scorers, plain = [(0.5, pieces), (0.3, NeuralLanguage(language))], plain_pieces(PIECES, 0.5)
    compare(
        model, states, options, scorers,
        lambda tokens, c: plain(tokens, c) + 0.3 * oracle.plain_language(language, EOS, tokens, c),
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "a", "a ab", "ab ab a", "b c  a"])
def test_sentence_score_by_tokens_equals_that_by_words(kenlm, tmp_path, text):
    words = ngram.NGram(write_arpa(tmp_path / "words.arpa", WORDS), TOKENIZER)
    expected = oracle.plain_ngram(WORDS, text.split(), True)
    assert words.sentence(TOKENIZER.encode(text)) == pytest.approx(expected, abs=1e-4)
    assert words.model.score(text) * ngram.LN10 == pytest.approx(expected, abs=1e-4)


def test_upper_case_pieces_match_lower_case_ngrams(kenlm, tmp_path):
    words = ngram.NGram(write_arpa(tmp_path / "words.arpa", WORDS), CharTokenizer("AB "))
    assert words.sentence([2, 4, 2, 3]) == pytest.approx(oracle.plain_ngram(WORDS, ["a", "ab"], True), abs=1e-4)


def test_missing_library_and_broken_file_are_one_line(tmp_path, monkeypatch):
    (tmp_path / "bad.arpa").write_text("hello", encoding="utf-8")
    if importlib.util.find_spec("kenlm"):
        with pytest.raises(VsrError, match="bad.arpa: is no file of n-grams") as caught:
            ngram.read_ngram(tmp_path / "bad.arpa")
        assert len(str(caught.value).splitlines()) == 1
    monkeypatch.setitem(sys.modules, "kenlm", None)
    (tmp_path / "bad.arpa").write_text("\\data\\\n", encoding="utf-8")
    with pytest.raises(VsrError, match="pip install ufal-kenlm"):
        ngram.read_ngram(tmp_path / "bad.arpa")


@torch.no_grad()
def test_neural_sentence_scores_are_sums_of_steps(language):
    texts = [[2, 4, 3], [], [5, 5, 2, 2, 3]]
    expected = [
        sum(oracle.plain_language(language, EOS, text[:k], c) for k, c in enumerate([*text, EOS])) for text in texts
    ]
    assert NeuralLanguage(language).sentences(texts) == pytest.approx(expected, abs=1e-4)
