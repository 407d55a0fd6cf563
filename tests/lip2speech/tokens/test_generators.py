"""Generators of tokens: exact properties of each."""

import itertools

import pytest
import torch

from lip2speech.models.codec import Codec
from lip2speech.models.delay_pattern import NOTHING, layout
from lip2speech.models.discrete_flow import mask_to_time, solve, velocity
from lip2speech.models.generators import KnownCodes, generator_of
from lip2speech.models.masked_tokens import fill_masked
from lip2speech.models.multi_token import num_accepted, transition_scores, viterbi
from lip2speech.models.token_decoding import Decoding, unknown_span
from lip2speech.models.token_options import TokenOptions
from vsr.core.errors import VsrError

BOOKS, SIZE, WIDTH = 3, 11, 6
SMALL = {"dim": 16, "layers": 2, "heads": 2, "hidden": 32}
KINDS = {
    "lm": {"kind": "lm", "predictions": 3, "infill": 0.5, **SMALL}, "masked": {"kind": "masked", "kernel": 3, **SMALL},
    "discrete_flow": {"kind": "discrete_flow", "kernel": 3, **SMALL},
}  # fmt: skip


def make_generator(kind, seed=0, **settings):
    """A generator with random weights."""
    torch.manual_seed(seed)
    return generator_of(KINDS[kind] | settings).build(WIDTH, BOOKS, SIZE).double().eval()


def condition(steps=9, seed=1):
    return 3 * torch.randn(steps, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


@pytest.mark.parametrize("kind", KINDS)
def test_codes_are_reproducible_and_depend_on_the_condition(kind):
    model, options = make_generator(kind), TokenOptions(steps=3)
    codes = model.sample(condition(), options, 0)
    assert codes.shape == (9, BOOKS) and codes.min() >= 0 and codes.max() < SIZE
    assert torch.equal(codes, model.sample(condition(), options, 0))
    assert not torch.equal(codes, model.sample(condition(seed=2), options, 0))


@pytest.mark.parametrize("kind", KINDS)
def test_known_codes_stay_and_affect_the_rest(kind):
    model, options = make_generator(kind), TokenOptions(steps=3)
    known = torch.ones(9, dtype=torch.bool)
    known[3:6] = False
    draws = [torch.randint(SIZE, (9, BOOKS), generator=torch.Generator().manual_seed(n)) for n in range(8)]
    results = [model.sample(condition(), options, 0, KnownCodes(codes, known)) for codes in draws]
    assert all(torch.equal(result[known], codes[known]) for result, codes in zip(results, draws, strict=True))
    assert len({tuple(result[3:6].flatten().tolist()) for result in results}) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_loss_is_that_of_real_steps_and_falls(kind):
    model = make_generator(kind, dropout=0.0)
    codes = torch.randint(SIZE, (2, 9, BOOKS), generator=torch.Generator().manual_seed(3))
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[1, 5:] = False
    conditions = torch.stack([condition(), condition(seed=2)])

    def loss(codes, conditions):
        torch.manual_seed(5)
        return model.loss(conditions, codes, mask)

    other, elsewhere = codes.clone(), conditions.clone()
    other[1, 5:], elsewhere[1, 5:] = -1, 7.0
    assert torch.allclose(loss(codes, conditions), loss(other, conditions))
    if kind == "lm":  # the layers of the others read neighbours, whose padding they mask
        assert torch.allclose(loss(codes, conditions), loss(codes, elsewhere))
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    first = float(loss(codes, conditions).detach())
    for step in range(60):
        torch.manual_seed(step)
        model.train().loss(conditions, codes, mask).backward()
        optimiser.step()
        optimiser.zero_grad()
    model.eval()
    assert float(loss(codes, conditions)) < first / 2


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("span", [None, (2, 6), (0, 4), (5, 9)])
def test_verified_decoding_equals_greedy_decoding(seed, span):
    model, conditions = make_generator("lm", seed, predictions=5), condition(9, seed)
    known = torch.ones(9, dtype=torch.bool)
    known[slice(*(span or (0, 9)))] = False
    codes = torch.randint(SIZE, (9, BOOKS), generator=torch.Generator().manual_seed(seed))
    given = KnownCodes(codes, known) if span else None
    greedy = model.sample(conditions, TokenOptions("greedy"), 0, given)
    for heads in range(1, 6):
        assert torch.equal(greedy, model.sample(conditions, TokenOptions("verified", heads), 0, given))
    assert torch.equal(greedy, model.sample(conditions, TokenOptions("viterbi", 1), 0, given))


def test_greedy_decoding_equals_the_network_without_a_cache():
    model, conditions = make_generator("lm"), condition(7)
    order = layout(7, BOOKS)
    batched = type(order)(order.times[None], order.target[None], order.positions[None])
    inputs = model.visual_at(conditions[None], batched)
    tokens = order.delayed(torch.zeros(7, BOOKS, dtype=torch.long), SIZE)
    for position in range(len(tokens)):
        logits = model.logits(model.trunk(model.inputs(tokens[None], inputs, batched)))[0, position]
        tokens[position] = torch.where(order.times[position] == NOTHING, SIZE, logits.argmax(-1))
    expected = order.to_steps(tokens, torch.zeros(7, BOOKS, dtype=torch.long))
    assert torch.equal(expected, model.sample(conditions, TokenOptions(), 0))


def test_verified_decoding_needs_fewer_rounds_if_the_heads_are_right():
    model, conditions = make_generator("lm", predictions=4), condition(20)
    for head in model.ahead:
        torch.nn.init.zeros_(head[-1].weight)
        torch.nn.init.zeros_(head[-1].bias)
    model.output.weight.data[:] = 0
    model.output.bias.data[::SIZE] = 5.0  # always the first code, whatever came before
    rounds = {}
    for name in ("greedy", "verified"):
        decoding = Decoding(model, conditions, TokenOptions(name), None)
        decoding.run()
        rounds[name] = decoding.rounds
    assert rounds["greedy"] == 22 and rounds["verified"] == 7  # 22 positions, 4 at once


def test_refuses_too_many_heads_and_scattered_gaps():
    with pytest.raises(VsrError, match="has 3"):
        make_generator("lm").sample(condition(), TokenOptions("verified", 4), 0)
    with pytest.raises(ValueError, match="one span"):
        unknown_span(torch.tensor([False, True, False]))
    with pytest.raises(VsrError, match="greedy decoding uses one head"):
        TokenOptions("greedy", 2)


@pytest.mark.parametrize("weight", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("has_previous", [True, False])
def test_viterbi_path_is_the_best_of_all(weight, has_previous):
    generator = torch.Generator().manual_seed(4)
    scores = torch.randn(3, 2, 4, generator=generator).log_softmax(-1)
    transitions = torch.randn(2, 4, 4, generator=generator).log_softmax(-1)
    before = torch.tensor([2, 1] if has_previous else [4, 4])
    path_found = viterbi(scores, transitions, before, weight)
    for q in range(2):

        def total(path, q=q):
            first = float(transitions[q, before[q], path[0]]) if has_previous else 0.0
            steps = first + sum(float(transitions[q, a, b]) for a, b in itertools.pairwise(path))
            return sum(float(scores[j, q, code]) for j, code in enumerate(path)) + weight * steps

        assert tuple(path_found[:, q].tolist()) == max(itertools.product(range(4), repeat=3), key=total)


def test_transitions_are_counts_and_accepted_tokens_are_a_prefix():
    scores = transition_scores(torch.tensor([[0, 1], [0, 1], [0, 2], [2, 0]]), 3)
    assert torch.allclose(scores[0].exp(), torch.tensor([1, 3, 2]) / 6) and torch.allclose(
        scores.exp().sum(1), torch.ones(3)
    )
    same = torch.tensor([[1, 2], [3, 4], [5, 6]])
    other = same.clone()
    other[1, 0] = 0
    assert (num_accepted(same, same), num_accepted(other, same), num_accepted(same[:0], same[:0])) == (3, 1, 0)


@pytest.mark.parametrize("span", [None, (0, 2), (1, 4), (3, 5), (0, 5)])
def test_layout_has_each_code_once_delayed_by_its_book(span):
    order = layout(5, BOOKS, span)
    positions = [(int(n), q) for times in order.times for q, n in enumerate(times) if n != NOTHING]
    assert sorted(positions) == sorted(itertools.product(range(5), range(BOOKS)))
    target_steps = {int(n) for times in order.times[order.target] for n in times if n != NOTHING}
    assert target_steps == set(range(*(span or (0, 5))))
    assert not (order.target[:-1] & ~order.target[1:]).any()  # the targets come last
    codes = torch.arange(15).view(5, BOOKS)
    assert torch.equal(order.to_steps(order.delayed(codes, -1), torch.zeros_like(codes)), codes)


@pytest.mark.parametrize("rounds", [1, 3, 20])
def test_all_codes_are_filled_and_known_ones_stay(rounds):
    logits = torch.randn(9, SIZE, generator=torch.Generator().manual_seed(6))
    codes = torch.full((9,), SIZE)
    codes[4] = 2
    num_masked = []

    def score(current):
        num_masked.append(int((current == SIZE).sum()))
        return logits

    result = fill_masked(score, codes, SIZE, rounds, 0.0, torch.Generator())
    expected = logits.argmax(-1)
    expected[4] = 2
    assert torch.equal(result, expected)  # these logits do not depend on known codes: one round is classification
    assert len(num_masked) <= rounds and all(a > b for a, b in itertools.pairwise(num_masked)) and num_masked[0] == 8


def test_velocity_conserves_probability_and_is_zero_at_known_codes():
    log_probs = torch.randn(4, 3, SIZE, generator=torch.Generator().manual_seed(7)).log_softmax(-1)
    codes = torch.randint(SIZE + 1, (4, 3), generator=torch.Generator().manual_seed(8))
    codes[0] = SIZE
    flow = velocity(log_probs, codes, 0.25)
    assert torch.allclose(flow.sum(-1), torch.zeros(4, 3), atol=1e-6)
    assert torch.allclose(flow[0, :, SIZE], torch.full((3,), -1 / 0.75)) and not flow[codes != SIZE].any()
    assert (flow[..., :SIZE] >= 0).all()


def test_at_time_0_all_is_masked_and_at_time_1_nothing():
    codes = torch.randint(SIZE, (3, 4000))
    noisy = mask_to_time(codes, torch.tensor([0.0, 0.3, 1.0]), SIZE)
    assert (noisy[0] == SIZE).all() and torch.equal(noisy[2], codes[2])
    kept = noisy[1] != SIZE
    assert torch.equal(noisy[1][kept], codes[1][kept]) and abs(float(kept.float().mean()) - 0.3) < 0.03


def test_known_chain_is_sampled_exactly():
    """Two dependent codes with their true posterior: samples have the joint distribution."""
    joint = torch.tensor([[0.4, 0.1], [0.05, 0.45]])

    def posterior(x, time):
        probs = torch.empty(len(x), 2, 2)
        probs[:, 0] = torch.where((x[:, 1] == 2)[:, None], joint.sum(1), joint.T[x[:, 1].clamp(max=1)])
        probs[:, 1] = torch.where((x[:, 0] == 2)[:, None], joint.sum(0), joint[x[:, 0].clamp(max=1)])
        return (probs / probs.sum(-1, keepdim=True)).log()

    def share(steps):
        drawn = solve(posterior, torch.full((20_000, 2), 2), steps, 1.0, torch.Generator().manual_seed(0))
        assert (drawn < 2).all()
        return torch.bincount(drawn[:, 0] * 2 + drawn[:, 1], minlength=4).view(2, 2) / len(drawn)

    assert torch.allclose(share(200), joint, atol=0.015)
    independent = joint.sum(1)[:, None] * joint.sum(0)  # in a single step they are independent
    assert torch.allclose(share(1), independent, atol=0.015)


def test_codec_reproduces_its_centres_and_more_books_reduce_the_error():
    pairs = torch.randn(400, 160, generator=torch.Generator().manual_seed(9))
    codec = Codec(3, 16, 160).fit(pairs)
    codes = codec.encode(pairs)
    assert codes.shape == (400, 3) and torch.equal(codec.encode(pairs.view(4, 100, 160)).view(400, 3), codes)
    centres = codec.centres[0][codes[:5, 0]]
    first = Codec(1, 16, 160)
    first.centres[:] = codec.centres[:1]
    assert torch.equal(first.decode(first.encode(centres)), centres)
    errors = [
        float((codec.centres[:n][torch.arange(n), codes[:, :n]].sum(1) - pairs).square().mean()) for n in (1, 2, 3)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert torch.allclose(codec.decode(codes), codec.centres[torch.arange(3), codes].sum(1))
    with pytest.raises(VsrError, match="cannot make books"):
        Codec(1, 500, 160).fit(pairs)
