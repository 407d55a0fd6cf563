"""A closed grammar yields only its own words, at any weight; no search yields the unknown token."""

import bz2
import gzip
import lzma
from pathlib import Path

import pytest
import torch

from vsr.core.errors import VsrError
from vsr.core.tokens import UNK
from vsr.decoding import ngram
from vsr.decoding.options import DecodeOptions
from vsr.decoding.search import decode
from vsr.decoding.vocabulary import Vocabulary, spellings, words_of
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.text.grammar import slots_as_arpa
from vsr.text.tokenizer import CharTokenizer, train_tokenizer

SLOTS = (("ab", "abba", "cab"), ("b", "bac"), ("a", "acca", "bb"))
WORDS = {word for slot in SLOTS for word in slot}
LENGTHS = torch.tensor([16, 24])
TOKENIZERS = {
    "char": CharTokenizer("abc "),
    "unigram": train_tokenizer("unigram", [" ".join(words) for words in zip(*SLOTS, strict=False)] * 5, 12),
}


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request):
    return TOKENIZERS[request.param]


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(4)
    config = LipReaderConfig(
        tokenizer.vocab_size, dim=16, heads=2, hidden=24, layers=1, decoder_layers=1, frontend_width=8,
        frontend_heads=2,
    )  # fmt: skip
    model = LipReader(config).eval()
    for parameter in model.parameters():
        parameter.data.mul_(2)
    for head in (model.ctc, model.decoder.out):
        head.bias.data[UNK] += 6  # otherwise it would say the unknown token all the time
    return model


@pytest.fixture(scope="module")
def states(model):
    video = torch.randn(2, int(max(LENGTHS)), 1, 88, 88, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        return model.encode(video, LENGTHS)


@pytest.fixture(scope="module")
def grammar(tmp_path_factory):
    pytest.importorskip("kenlm", reason=ngram.INSTALL)
    path = tmp_path_factory.mktemp("grammar") / "g.arpa"
    path.write_text(slots_as_arpa(SLOTS), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("weight", [0.3, 5.0, 10.0, 300.0])
@pytest.mark.parametrize("ctc_weight", [0.0, 0.3, 1.0])
def test_closed_grammar_yields_only_its_words(model, states, tokenizer, grammar, weight, ctc_weight):
    grams = ngram.NGram(grammar, tokenizer)
    options = DecodeOptions(beam=8, nbest=3, ctc_weight=ctc_weight)
    for hypotheses in decode(model, states, LENGTHS, options, tokenizer.eos_id, [(weight, grams)]):
        assert hypotheses and set(tokenizer.decode(hypotheses[0].tokens).split()) <= WORDS
        for hypothesis in hypotheses:  # the scores added during the search make up the n-grams' score of the text
            assert hypothesis.language_score == pytest.approx(
                weight * grams.sentence(hypothesis.tokens), rel=1e-6, abs=1e-6
            )


def test_grammar_with_unknown_word_is_open(tokenizer, grammar, tmp_path):
    assert ngram.NGram(grammar, tokenizer).closed is not None
    text = Path(grammar).read_text(encoding="utf-8").replace("ngram 1=10", "ngram 1=11")
    path = tmp_path / "open.arpa"
    path.write_text(text.replace("-99.0\t</s>", "-2.0\t<unk>\t0\n-99.0\t</s>"), encoding="utf-8")
    assert ngram.NGram(str(path), tokenizer).closed is None


def test_refuses_grammar_of_another_script(tmp_path):
    pytest.importorskip("kenlm", reason=ngram.INSTALL)
    path = tmp_path / "g.arpa"
    path.write_text(slots_as_arpa((("यह", "मेरी"),)), encoding="utf-8")
    with pytest.raises(VsrError, match="not one of its words can be written with the lip reader's tokens"):
        ngram.NGram(str(path), TOKENIZERS["char"])


def test_words_are_spelled_by_the_tokenizer():
    assert spellings(["Ab", "a-b", "bé", "cab"], CharTokenizer("abc ")) == {"ab": "Ab", "cab": "cab"}
    words = Vocabulary(["ab", "abba", "b"], CharTokenizer("ab ").pieces(range(6)))
    possible = {prefix: words.possible(prefix).nonzero()[:, 0].tolist() for prefix in ("", "ab", "abb", "b")}
    next_pieces = {prefix: [words.pieces[i] for i in ids if words.pieces[i]] for prefix, ids in possible.items()}
    assert next_pieces == {"": ["a", "b", " "], "ab": ["b", " "], "abb": ["a"], "b": [" "]}


@pytest.mark.parametrize("compression", [gzip, bz2, lzma])
def test_words_of_compressed_and_binary_files_are_read(compression, tmp_path):
    arpa = slots_as_arpa(SLOTS)
    with compression.open(tmp_path / "g.arpa", "wt", encoding="utf-8") as stream:
        stream.write(arpa)
    (tmp_path / "g.bin").write_bytes(
        b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(99) + b"<unk>\0<s>\0</s>\0ab\0cab\0"
    )
    assert set(words_of(tmp_path / "g.arpa", WORDS)) == WORDS
    assert words_of(tmp_path / "g.bin", WORDS) == ["ab", "cab"]
    (tmp_path / "bare.bin").write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(99))
    with pytest.raises(VsrError, match="does not list its words"):
        words_of(tmp_path / "bare.bin", WORDS)


@pytest.mark.parametrize("method", ["joint", "ctc_beam", "ctc_greedy"])
def test_no_search_yields_the_unknown_token(model, states, tokenizer, method):
    options = DecodeOptions(method=method, beam=6, nbest=3)
    for hypotheses in decode(model, states, LENGTHS, options, tokenizer.eos_id):
        assert all(
            UNK not in hypothesis.tokens and torch.isfinite(torch.tensor(hypothesis.score)) for hypothesis in hypotheses
        )


def test_ctc_weight_of_0_leaves_only_the_decoder(model, states, tokenizer, monkeypatch):
    """Also for a text that is too long for CTC."""
    options = DecodeOptions(beam=3, ctc_weight=0.0, max_length_ratio=2.0)
    hypothesis = decode(model, states[:1, :4], torch.tensor([4]), options, tokenizer.eos_id)[0][0]
    monkeypatch.setattr(model, "ctc", None)
    without_ctc = decode(model, states[:1, :4], torch.tensor([4]), options, tokenizer.eos_id)[0][0]
    assert (hypothesis.tokens, hypothesis.score, hypothesis.ctc_score) == (without_ctc.tokens, without_ctc.score, 0.0)


def test_posteriors_for_graphs_are_finite_and_without_the_unknown_token(tmp_path, tiny_model):
    import numpy as np

    from vsr.data.manifest import Clip
    from vsr.decoding.posteriors import LEAST, log_probs_of
    from vsr.modelstore.folder import load_model

    np.save(tmp_path / "a.npy", np.zeros((20, 96, 96), np.uint8))
    loaded = load_model(tiny_model)
    ((_, log_probs),) = log_probs_of(loaded, [Clip("a", "a.mp4", "x", num_frames=20, crop=str(tmp_path / "a.npy"))])
    assert log_probs.shape == (20, loaded.tokenizer.eos_id) and log_probs.isfinite().all()
    assert (log_probs[:, UNK] == LEAST).all()
