"""CTC searches and scores agree with the sum over all paths, for a clip so short that they can be listed."""

import importlib.util
import itertools
import math
from pathlib import Path

import pytest
import torch

from vsr.decoding.align import words_from_alignment
from vsr.decoding.ctc import MINUS_INFINITY, PrefixScorer, greedy, log_add, prefix_beam
from vsr.decoding.viterbi import align_tokens
from vsr.text.tokenizer import CharTokenizer, collapse

spec = importlib.util.spec_from_file_location("oracle", Path(__file__).with_name("oracle.py"))
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)

FRAMES, TOKENS = 5, 4


@pytest.fixture(scope="module")
def log_probs():
    return torch.randn(FRAMES, TOKENS, generator=torch.Generator().manual_seed(0)).log_softmax(-1)


@pytest.fixture(scope="module")
def texts(log_probs):
    """Every text with its log-probability."""
    scores = {}
    for path in itertools.product(range(TOKENS), repeat=FRAMES):
        score = sum(float(log_probs[t, c]) for t, c in enumerate(path))
        text = tuple(collapse(path))
        scores[text] = log_add(scores.get(text, -math.inf), score)
    return scores


def prefix_score(texts, prefix):
    return math.log(sum(math.exp(s) for text, s in texts.items() if text[: len(prefix)] == prefix))


def test_wide_prefix_beam_finds_the_most_probable_texts(log_probs, texts):
    best = sorted(texts, key=lambda text: -texts[text])[:5]
    hypotheses = prefix_beam(log_probs, beam=1000, nbest=5)
    assert [h.tokens for h in hypotheses] == best
    assert [h.score for h in hypotheses] == pytest.approx([texts[text] for text in best], abs=1e-5)


def test_greedy_is_the_best_path(log_probs):
    hypothesis = greedy(log_probs)
    assert hypothesis.tokens == tuple(collapse(log_probs.argmax(-1).tolist()))
    assert hypothesis.score == pytest.approx(float(log_probs.max(-1).values.sum()))


def test_prefix_scores_equal_the_sum_over_paths(log_probs, texts):
    padded = torch.cat([log_probs, torch.zeros(3, TOKENS)])[None]  # frames after the end must not count
    scorer = PrefixScorer(padded, torch.tensor([FRAMES]))
    end = 0  # in place of the end, whose own posterior is never used
    first = scorer.extend(torch.tensor([[end]]), torch.tensor([[[end, 1, 2, 3]]]))
    expected = [texts[()], *(prefix_score(texts, (c,)) for c in (1, 2, 3))]
    assert first[0, 0].tolist() == pytest.approx(expected, abs=1e-6)
    scorer.follow(torch.tensor([[0, 0, 0]]), torch.tensor([[1, 2, 3]]))
    second = scorer.extend(torch.tensor([[1, 2, 3]]), torch.tensor([[[end, 1, 2, 3]] * 3]))
    for a in (1, 2, 3):
        expected = [texts[(a,)], *(prefix_score(texts, (a, c)) for c in (1, 2, 3))]
        assert second[0, a - 1].tolist() == pytest.approx(expected, abs=1e-6)
    scorer.follow(torch.tensor([[2, 1, 2]]), torch.tensor([[3, 1, 1]]))  # the same token again; another; another
    third = scorer.extend(torch.tensor([[3, 1, 1]]), torch.tensor([[[end, 1, 3]] * 3]))
    for k, prefix in enumerate([(3, 3), (2, 1), (3, 1)]):
        expected = [texts[prefix], *(prefix_score(texts, (*prefix, c)) for c in (1, 3))]
        assert third[0, k].tolist() == pytest.approx(expected, abs=1e-6)


def test_scores_of_a_long_clip_keep_their_precision():
    """Log-probabilities down to -100 a frame and -1000 a prefix, compared with the plain recursion."""
    generator = torch.Generator().manual_seed(1)
    text = torch.randint(1, 12, (20,), generator=generator).tolist() + [3, 3, 7]
    logits = 25 * torch.randn(160, 12, generator=generator)
    for k, token in enumerate(text):
        logits[6 * k + 3, token] += 120
    log_probs = logits.log_softmax(-1)
    plain, scorer, end = log_probs.double().tolist(), PrefixScorer(log_probs[None], torch.tensor([160])), 11
    last = torch.tensor([[end]])
    for k, token in enumerate(text):
        scores = scorer.extend(last, torch.tensor([[[end, *range(1, 11)]]]))[0, 0].tolist()
        tables = [oracle.prefix_tables(plain, (*text[:k], c))[1] for c in range(1, 11)]
        assert scores == pytest.approx([oracle.prefix_tables(plain, text[:k])[0], *tables], rel=1e-9)
        last = torch.tensor([[token]])
        scorer.follow(torch.tensor([[0]]), last)
    assert scores[0] < -1000


def test_text_longer_than_the_clip_is_impossible(log_probs):
    scorer = PrefixScorer(log_probs[None, :2], torch.tensor([2]))
    for last, token in ((0, 1), (1, 2)):
        scorer.extend(torch.tensor([[last]]), torch.tensor([[[0, token]]]))
        scorer.follow(torch.tensor([[0]]), torch.tensor([[token]]))
    third = scorer.extend(torch.tensor([[2]]), torch.tensor([[[0, 1, 2, 3]]]))[0, 0]
    assert third[0] > -100 and (third[1:] <= MINUS_INFINITY / 2).all()


def test_alignment_finds_a_planted_path():
    tokenizer = CharTokenizer()
    tokens = tokenizer.encode("ab a")
    path = [0, tokens[0], tokens[0], 0, tokens[1], 0, tokens[2], 0, 0, tokens[3]]
    log_probs = torch.full((len(path), tokenizer.vocab_size), -6.0)
    log_probs[range(len(path)), path] = -0.1
    aligned = align_tokens(log_probs, tokens)
    assert [(a, b) for a, b, _ in aligned] == [(1, 3), (4, 5), (6, 7), (9, 10)]
    assert all(c == pytest.approx(math.exp(-0.1), abs=1e-4) for _, _, c in aligned)
    words = words_from_alignment(tokenizer, tokens, aligned)
    assert [w.word for w in words] == ["ab", "a"]
    assert words[0].start <= 1 / 25 and words[0].end <= words[1].start and words[1].end >= 10 / 25


def test_text_that_cannot_fit_is_spread_without_confidence():
    aligned = align_tokens(torch.zeros(2, 5).log_softmax(-1), [1, 2, 3])
    assert len(aligned) == 3 and all(c == 0 for _, _, c in aligned)


def test_alignment_of_hundreds_of_states_is_complete():
    tokens = [1 + index % 3 for index in range(200)]
    spans = align_tokens(torch.zeros(500, 5).log_softmax(-1), tokens)
    assert len(spans) == len(tokens)
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False))
