"""The search over words of a lexicon agrees with the enumeration of all texts."""

import itertools
import math

import numpy as np
import pytest
import torch

from vsr.core.errors import VsrError
from vsr.decoding.lexicon import Lexicon, lexicon_for
from vsr.decoding.lexicon_search import LexiconSearch
from vsr.decoding.options import DecodeOptions
from vsr.decoding.pronunciations import best_pronunciations
from vsr.decoding.viterbi import align_tokens
from vsr.decoding.word_ngram import CountedWords
from vsr.decoding.word_states import CountedWordStates, word_states
from vsr.text.tokenizer import CharTokenizer, WordTokenizer
from vsr.text.unit_tokenizers import UnitSettings, units_tokenizer

MARK = 6
# Words that begin like others, a homophone, two pronunciations, the same token twice
WORDS = {"a": [(2,), (3,)], "ab": [(2, 4)], "be": [(4, 4)], "bee": [(4, 4)], "cab": [(5, 2, 4), (5, 3, 4)]}


def posteriors(frames, seed=0, size=7):
    logits = torch.randn(frames, size, generator=torch.Generator().manual_seed(seed)) * 2
    logits[:, 1] = -math.inf  # the unknown token
    return logits.log_softmax(-1)


def ctc(log_probs, tokens):
    """log-probability of tokens by torch's own CTC."""
    if not tokens:
        return float(log_probs[:, 0].sum())
    length, count = torch.tensor([len(log_probs)]), torch.tensor([len(tokens)])
    loss = torch.nn.functional.ctc_loss(log_probs[:, None], torch.tensor([tokens]), length, count, reduction="sum")
    return -float(loss)


def exhaustive(log_probs, language, weight, bonus, mark):
    """Score of every text that fits, by enumeration."""
    scores = {}
    for count in range(len(log_probs) + 1):
        for words in itertools.product(WORDS, repeat=count):
            log_prob = -math.inf
            for pronunciations in itertools.product(*(WORDS[word] for word in words)):
                between = () if mark is None else (mark,)
                tokens = [
                    t
                    for n, pronunciation in enumerate(pronunciations)
                    for t in (*(between if n else ()), *pronunciation)
                ]
                if len(tokens) + sum(a == b for a, b in itertools.pairwise(tokens)) <= len(log_probs):
                    log_prob = np.logaddexp(log_prob, ctc(log_probs, tokens))
            if log_prob > -math.inf:
                scores[words] = log_prob + weight * language.texts([list(words)])[0] + bonus * count
    return scores


@pytest.mark.parametrize("mark", [MARK, None])
@pytest.mark.parametrize("weight, bonus", [(0.0, 0.0), (0.7, 0.0), (0.4, 1.5)])
def test_wide_beam_equals_the_exhaustive_search(mark, weight, bonus):
    counted = CountedWords([line.split() for line in ("a cab", "be a bee", "cab ab a", "ab ab")], 2)
    for seed in range(3):
        log_probs = posteriors(5 if mark else 4, seed)
        scores = exhaustive(log_probs, counted, weight, bonus, mark)
        search = LexiconSearch(Lexicon(WORDS, mark), CountedWordStates(counted), weight, bonus)
        hypotheses = search.run(log_probs, 100_000, len(scores))
        assert {hypothesis.words for hypothesis in hypotheses} == set(scores)
        assert [hypothesis.score for hypothesis in hypotheses] == pytest.approx(
            [scores[hypothesis.words] for hypothesis in hypotheses], abs=1e-4
        )
        assert hypotheses[0].score == pytest.approx(max(scores.values()), abs=1e-4)
        assert all(
            hypothesis.score == pytest.approx(hypothesis.ctc_score + hypothesis.language_score)
            for hypothesis in hypotheses
        )


def test_narrow_beam_finds_the_obvious_text():
    path = [5, 5, 0, 2, 4, 6, 2, 0, 0]
    log_probs = torch.full((len(path), 7), -8.0)
    log_probs[torch.arange(len(path)), path] = 0.0
    (best,) = LexiconSearch(Lexicon(WORDS, MARK)).run(log_probs.log_softmax(-1), 3, 1)
    assert best.words == ("cab", "a") and best.tokens == (5, 2, 4, 6, 2) and best.spans == ((0, 3), (4, 5))


def test_words_too_long_for_the_frames_are_not_found():
    assert LexiconSearch(Lexicon({"cab": [(5, 2, 4)]}, MARK)).run(posteriors(2), 10, 3)[0].words == ()
    certain = torch.full((2, 7), -math.inf)
    certain[:, 5] = 0.0
    assert LexiconSearch(Lexicon({"cab": [(5, 2, 4)]}, MARK)).run(certain, 10, 3) == []


def test_language_model_tells_homophones_apart():
    counted = CountedWordStates(CountedWords([["a", "bee"]] * 5 + [["be", "a"]] * 5, 2))
    path = [2, 6, 4, 0, 4]
    log_probs = torch.full((5, 7), -8.0)
    log_probs[torch.arange(5), path] = 0.0
    search = LexiconSearch(Lexicon(WORDS, MARK), counted, 1.0)
    assert search.run(log_probs.log_softmax(-1), 50, 1)[0].words == ("a", "bee")


@pytest.mark.parametrize("mark", [MARK, None])
def test_best_pronunciations_are_on_the_best_path(mark):
    words = [WORDS["a"], WORDS["cab"], WORDS["a"]]
    for seed in range(8):
        log_probs = posteriors(9, seed)
        scores = {}
        for choices in itertools.product(*(range(len(pronunciation)) for pronunciation in words)):
            between = () if mark is None else (mark,)
            pronunciation = [words[n][choice] for n, choice in enumerate(choices)]
            tokens = [t for n, part in enumerate(pronunciation) for t in (*(between if n else ()), *part)]
            scores[choices] = best_score(log_probs, tokens)
        best = best_pronunciations(log_probs.numpy(), words, mark)
        assert scores[tuple(best)] == pytest.approx(max(scores.values()))


def best_score(log_probs, tokens):
    """Log-probability of the best path through the tokens."""
    best = -math.inf
    spans = align_tokens(log_probs, tokens)
    labels = torch.zeros(len(log_probs), dtype=torch.long)
    for token, (first, last, _) in zip(tokens, spans, strict=True):
        labels[first:last] = token
    best = max(best, float(log_probs[torch.arange(len(log_probs)), labels].sum()))
    return best


def test_too_few_frames_give_no_pronunciations():
    assert best_pronunciations(posteriors(3).numpy(), [WORDS["cab"], WORDS["cab"]], MARK) is None


@pytest.fixture
def phonemes(tmp_path):
    words = tmp_path / "dictionary.txt"
    words.write_text("bin B IH N\nblue B L UW\nred R EH D\n")
    return units_tokenizer(UnitSettings(dictionary=(str(words),)), ["bin blue"])


def test_lexicon_has_the_models_words_or_those_of_a_file(phonemes, tmp_path):
    assert set(lexicon_for(phonemes).variants) == {"bin", "blue"}
    file = tmp_path / "lexicon.txt"
    file.write_text("red\nblue B L UW\nblue B L IY\n")
    lexicon = lexicon_for(phonemes, str(file))
    assert set(lexicon.variants) == {"red", "blue"} and len(lexicon.variants["blue"]) == 2
    assert lexicon.mark == phonemes.mark


def test_model_of_characters_takes_words_without_pronunciation(tmp_path):
    file, tokenizer = tmp_path / "words.txt", CharTokenizer()
    file.write_text("bin\nblue\n")
    lexicon = lexicon_for(tokenizer, str(file))
    assert lexicon.variants["bin"] == [tuple(tokenizer.encode("bin"))] and tokenizer.pieces([lexicon.mark]) == [" "]


@pytest.mark.parametrize(
    "tokenizer, text, message",
    [
        (WordTokenizer(["bin"]), "bin\n", "reads into words"),
        (CharTokenizer(), "", "holds no words"),
        (CharTokenizer("ab "), "cab\n", "cannot write 'cab'"),
        (CharTokenizer(), None, "has no word list"),
        (CharTokenizer(), "bin blue at f\n", "a line is a word"),
    ],
)
def test_refuses_lexicon_that_does_not_fit(tokenizer, text, message, tmp_path):
    file = tmp_path / "words.txt"
    file.write_text(text or "")
    with pytest.raises(VsrError, match=message) as error:
        lexicon_for(tokenizer, "" if text is None else str(file))
    assert "\n" not in str(error.value)


def test_refuses_word_without_pronunciation(phonemes, tmp_path):
    file = tmp_path / "words.txt"
    file.write_text("zebra\n")
    with pytest.raises(VsrError, match="cannot write 'zebra'"):
        lexicon_for(phonemes, str(file))


@pytest.mark.parametrize("options", [{"lm": "x"}, {"hotwords": "x"}])
def test_refuses_language_models_that_cannot_join(options):
    with pytest.raises(VsrError, match="n-grams alone"):
        DecodeOptions(method="lexicon", **options)


def test_lexicon_needs_its_method():
    with pytest.raises(VsrError, match="method 'lexicon'"):
        DecodeOptions(method="ctc_beam", lexicon="words.txt")


def test_word_states_of_counted_text_add_up_to_the_text(tmp_path):
    lines = ["bin blue at f two now", "lay red by a one soon", "bin red at z two soon"]
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(lines))
    states = word_states(str(file))
    for text in (lines[0], "bin red by f", "unknown words"):
        state, total = states.begin(), 0.0
        for word in text.split():
            state, score = states.after(state, word)
            total += score
        assert total + states.end(state) == pytest.approx(states.counted.texts([text.split()])[0])


def test_word_states_of_a_file_add_up_to_the_text(tmp_path):
    pytest.importorskip("kenlm")
    arpa = tmp_path / "words.arpa"
    arpa.write_text(
        "\\data\\\nngram 1=5\nngram 2=2\n\n\\1-grams:\n-1.0\t<unk>\n-99\t<s>\t-0.3\n-0.7\t</s>\n-0.4\tbin\t-0.2\n"
        "-0.6\tblue\t-0.1\n\n\\2-grams:\n-0.2\t<s> bin\n-0.3\tbin blue\n\n\\end\\\n"
    )
    states = word_states(str(arpa))
    state, total = states.begin(), 0.0
    for word in ("bin", "blue"):
        state, score = states.after(state, word)
        total += score
    total += states.end(state)
    assert total == pytest.approx(states.model.score("bin blue", bos=True, eos=True) * math.log(10))
