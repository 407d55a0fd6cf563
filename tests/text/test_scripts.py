"""Texts of all scripts: marks stay with their letters, two forms of a text are equal, English is as before."""

import re
from pathlib import Path
from unicodedata import category, normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsr.core.errors import VsrError
from vsr.core.tokens import UNK
from vsr.corpora.puppet.sentences import GRID_SLOTS
from vsr.decoding.confidence import correct_words
from vsr.evaluation.wer import score
from vsr.evaluation.word_timing import time_errors
from vsr.text.normalise import NORMALISERS, lower
from vsr.text.tokenizer import CharTokenizer, train_tokenizer

OWN = ("none", "lower", "alnum", "13a")
TEXTS = Path(__file__).parents[2] / ".." / "shared" / "data" / "text"
SCRIPTS = {
    "hindi": "यह किताब मेरी है", "bengali": "আমি বাংলায় গান গাই", "tamil": "தமிழ் மொழி இனிமையானது", "thai": "ทำไมน้ำแข็งละลาย",
    "khmer": "ខ្ញុំចង់ទៅផ្សារ", "vietnamese": "tiếng việt rất đẹp", "yoruba": "ọ̀rọ̀ yorùbá",
    "hebrew": "שָׁלוֹם עוֹלָם", "arabic": "السَّلَامُ",
    "korean": "가나다 한국어", "greek": "ΐ ὀδός",
}  # fmt: skip


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_words_of_all_scripts_stay_whole(text):
    composed = normalize("NFC", text)
    for name in OWN:
        assert NORMALISERS[name](text) == NORMALISERS[name](normalize("NFD", text)) == composed
    for kind in ("unigram", "word"):
        tokenizer = train_tokenizer(kind, [text] * 20, 60)
        ids = tokenizer.encode(normalize("NFD", text))
        assert UNK not in ids and tokenizer.decode(ids) == composed
        assert [word for word, _, _ in tokenizer.word_spans(ids)] == composed.split()


@pytest.mark.parametrize(
    "text, expected",
    [
        ("\u0130stanbul i\u0307stanbul ISTANBUL", "istanbul istanbul istanbul"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u062e\u0648\u0627\u0647\u0645"),
        ("co\u00adoperate \ufeffzero\u200dwidth", "cooperate zerowidth"),
        ("don\u02bct don\u2019t don\uff07t '\u0301tis", "don't don't don't tis"),
        ("e\u0300'k o\u0323'", "\u00e8'k \u1ecd"),
        ("\u304b\u3099\u30ad\u3099", "\u304c\u30ae"),
        ("\u2764\ufe0f love", "love"),
    ],
)
def test_invisible_characters_and_variants_are_normalised(text, expected):
    assert lower(text) == expected and lower(lower(text)) == expected


@given(st.text(max_size=20))
def test_mark_is_never_a_space(text):
    marks = "".join(c for c in normalize("NFC", text) if category(c)[0] == "M")
    assert len(lower(f"a{marks}b").split()) == 1
    assert {category(c)[0] for c in lower(text)} <= set("LMNZP")


def test_two_wrong_words_of_two_are_both_wrong():
    assert score({"a": "किताब मेरी"}, {"a": "कुतोब मारे"})[0].wer == 1
    same = {"a": "le café est fermé à noël"}
    for name in OWN:
        total = score({"a": normalize("NFD", same["a"])}, same, name)[0]
        assert (total.wer, total.cer) == (0, 0)


def test_whisper_refuses_words_that_it_would_tear_apart():
    pytest.importorskip("transformers", reason="transformers is not installed")
    assert NORMALISERS["whisper"]("cafe\u0301, don't") == NORMALISERS["whisper"]("caf\u00e9, don't")
    with pytest.raises(VsrError, match="'whisper' is for English and would tear 'किताब' apart"):
        NORMALISERS["whisper"]("यह किताब")


def old_rule(text):
    """The first rule of `lower`; it holds for ASCII only."""
    text = re.sub(r"[^\w\s']|_", " ", text.lower())
    return " ".join(re.sub(r"(?<!\w)'|'(?!\w)", " ", text).split())


@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_english_is_as_before(text):
    assert lower(text) == old_rule(text)
    assert CharTokenizer().encode(text) == CharTokenizer().ids(old_rule(text))


def test_lists_of_english_are_as_before():
    lines = [" ".join(words) for words in zip(*(slot[:4] for slot in GRID_SLOTS), strict=True)]
    lines += [line for path in TEXTS.glob("*.txt") for line in path.read_text(encoding="utf-8").splitlines()]
    plain = [line.replace("\u2019", "'") for line in lines]
    assert [lower(line) for line in plain if line.isascii()] == [old_rule(line) for line in plain if line.isascii()]


def test_confidence_and_times_compare_normalised_words():
    from vsr.data.manifest import Clip

    spoken = (("Cafe\u0301", 0.0, 0.4), ("well-known", 0.4, 0.8), ("now", 0.8, 1.0))
    read = [("caf\u00e9", 0.1, 0.4), ("wellknown", 0.4, 0.8), ("now", 0.8, 1.0)]
    records = {"a": {"words": [dict(zip(("word", "start", "end"), fields, strict=True)) for fields in read]}}
    assert time_errors([Clip("a", "a.mp4", "x", words=spoken)], records)["words"] == 3
    assert correct_words(lower("Cafe\u0301 now").split(), [lower(word) for word, *_ in read]) == [True, False, True]


def test_unknown_token_is_never_written():
    tokenizer = CharTokenizer("ab ")
    ids = tokenizer.encode("a\u0915b a")
    assert UNK in ids and tokenizer.decode(ids) == "ab a"
    assert [word for word, _, _ in tokenizer.word_spans([2, UNK])] == ["a"] and tokenizer.word_spans([UNK]) == []
