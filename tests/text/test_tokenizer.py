"""Round trips and fixed special ids of both tokenizers."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.core.tokens import BLANK, UNK
from vsr.data.manifest import Clip, write_manifest
from vsr.text.normalise import NORMALISERS, lower
from vsr.text.tokenizer import CharTokenizer, collapse, load_tokenizer, train_tokenizer

SENTENCES = ["bin blue at f two now", "place red by z nine soon", "don't look back", "set white with a zero again"] * 5
words = st.lists(st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8), max_size=6)


@pytest.fixture(scope="module", params=["char", "unigram"])
def tokenizer(request):
    return train_tokenizer(request.param, SENTENCES, 60)


@given(words)
def test_characters_round_trip(word_list):
    tokenizer = CharTokenizer()
    ids = tokenizer.encode(" ".join(word_list))
    assert tokenizer.decode(ids) == " ".join(word_list)
    assert [word for word, _, _ in tokenizer.word_spans(ids)] == word_list


@pytest.mark.parametrize("text", SENTENCES[:4])
def test_known_text_round_trips_and_word_spans_cover_it(tokenizer, text):
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert all(UNK < i < tokenizer.eos_id for i in ids)
    spans = tokenizer.word_spans(ids)
    assert [word for word, _, _ in spans] == text.split()
    assert all(a < b for _, a, b in spans)


def test_empty_reading_has_no_words(tokenizer):
    assert tokenizer.decode([]) == "" and tokenizer.word_spans([]) == []


def test_special_ids_are_fixed(tokenizer):
    assert (BLANK, UNK, tokenizer.eos_id) == (0, 1, tokenizer.vocab_size - 1)
    assert tokenizer.decode([BLANK, tokenizer.eos_id]) == ""
    assert UNK in tokenizer.encode("été")


def test_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded.vocab_size == tokenizer.vocab_size
    assert [loaded.encode(s) for s in SENTENCES] == [tokenizer.encode(s) for s in SENTENCES]


def test_folder_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(VsrError, match="no readable tokenizer"):
        load_tokenizer(tmp_path)


@given(st.text(max_size=40), st.sampled_from(("none", "lower", "alnum")))
def test_normalising_twice_changes_nothing(text, name):
    once = NORMALISERS[name](text)
    assert NORMALISERS[name](once) == once


def test_apostrophes_inside_words_stay():
    assert lower("DON’T  stop, 'now'!") == "don't stop now"


@pytest.mark.parametrize(
    "name, text, expected",
    [
        ("13a", "Hello, (World)! It's 3.5, not 3-5.", "hello world it's 3.5 not 3 5"),
        ("13a", "a/b & c+d <e> f_g", "a b c + d < e > f g"),
        ("13a", "IT'S THE END", "it's the end"),
        ("whisper", "I won't pay twenty five dollars, um, [laughs] Mr. Smith", "i will not pay $25 mister smith"),
        ("whisper", "IT'S THE END", "it is the end"),
    ],
)
def test_normalisers_of_other_programs(name, text, expected):
    if name == "whisper":
        pytest.importorskip("transformers", reason="transformers is not installed")
    assert NORMALISERS[name](text) == expected


@given(st.lists(st.integers(0, 3), max_size=12))
def test_collapsed_paths_have_no_blank_and_survive_blanks_between(path):
    tokens = collapse(path)
    assert BLANK not in tokens
    spread = [i for token in tokens for i in (token, BLANK)]
    assert collapse(spread) == tokens


@pytest.mark.parametrize("kind", ["char", "word", "unigram", "phoneme"])
def test_lists_without_a_text_are_refused(kind, tmp_path, capsys):
    manifest = tmp_path / "clips.jsonl"
    write_manifest(manifest, [Clip("a", "a.mp4", ""), Clip("b", "b.mp4", " ")])
    assert main(["tokens", "--manifest", str(manifest), "--kind", kind, "--out", str(tmp_path / "tokens")]) == 1
    assert "clips.jsonl: no clip has a text" in capsys.readouterr().err and not (tmp_path / "tokens").exists()
