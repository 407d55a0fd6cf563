"""Objectives over whole hypotheses, against every hypothesis that there is, and against finite differences."""

import itertools

import numpy as np
import pytest
import torch

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.models.decoder import Decoder
from vsr.models.hypotheses import Hypotheses, beam_search, log_probs, sample_hypotheses
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.minimum_risk import MinimumRisk, expected_errors
from vsr.objectives.policy_gradient import PolicyGradient
from vsr.objectives.registry import objective_of
from vsr.objectives.rewards import edits, prefix_edits, step_rewards, window_sums
from vsr.objectives.scheduled_sampling import ScheduledSampling
from vsr.text.tokenizer import CharTokenizer

V, END = 6, 5  # blank, unknown, three tokens and the end
SIZES = {"dim": 16, "heads": 2, "hidden": 32, "layers": 1, "decoder_layers": 1, "decoder_hidden": 32, "dropout": 0.0}
FRONTEND = {"frontend_width": 8, "frontend_layers": 1, "frontend_heads": 2}


def toy():
    """A decoder with strong preferences over one clip of 4 frames, float64."""
    torch.manual_seed(0)
    decoder = Decoder(V, 8, 1, 2, 16, 0.0).double()
    with torch.no_grad():
        decoder.out.weight.mul_(3)
    return decoder, torch.randn(1, 4, 8, dtype=torch.float64), torch.tensor([4])


def all_of(longest):
    """Every hypothesis of at most so many tokens; those of the limit's length have no end of their own."""
    found = [own for count in range(longest + 1) for own in itertools.product((2, 3, 4), repeat=count)]
    tokens = torch.full((1, len(found), longest), IGNORE)
    for place, own in enumerate(found):
        tokens[0, place, : len(own)] = torch.tensor(own, dtype=torch.long)
    return found, Hypotheses(tokens, torch.ones(1, len(found), dtype=torch.bool))


@pytest.mark.parametrize("seed", range(20))
def test_edits_of_all_prefixes_are_those_of_each(seed):
    rng = np.random.default_rng(seed)
    hypothesis, reference = (rng.integers(0, 3, rng.integers(0, 8)).tolist() for _ in range(2))
    found = prefix_edits(hypothesis, reference)
    assert found.tolist() == [slow(hypothesis[:count], reference) for count in range(len(hypothesis) + 1)]
    if reference:  # rewards of all steps: 1 - CER
        assert step_rewards(hypothesis, reference).sum() == pytest.approx(1 - found[-1] / len(reference))
    assert edits([str(own) for own in hypothesis], [str(own) for own in reference]) == found[-1]


def slow(a, b):
    if not a or not b:
        return len(a) + len(b)
    return min(slow(a[:-1], b) + 1, slow(a, b[:-1]) + 1, slow(a[:-1], b[:-1]) + (a[-1] != b[-1]))


def test_windows_cover_the_steps_and_the_last_ends_with_them():
    values = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 99.0])
    assert window_sums(values, 5, 2, 2).tolist() == [3, 12, 24]
    assert window_sums(values, 5, 1, 1).tolist() == [1, 2, 4, 8, 16]
    assert window_sums(values, 5, 0, 3).tolist() == window_sums(values, 5, 9, 1).tolist() == [31]


def test_probabilities_of_all_hypotheses_sum_to_one():
    decoder, states, lengths = toy()
    _, shorter = all_of(2)
    ended = log_probs(decoder, states, lengths, shorter).sum(-1).exp().sum()
    found, whole = all_of(3)
    cut = Hypotheses(whole.tokens, whole.lengths < 3)  # those of 3 tokens go on: without their end
    assert float(log_probs(decoder, states, lengths, cut).sum(-1).exp().sum().detach()) == pytest.approx(1.0, abs=1e-9)
    assert 0 < float(ended.detach()) < 1


def test_the_beam_finds_the_likeliest_of_all():
    decoder, states, lengths = toy()
    found, whole = all_of(3)
    scores = log_probs(decoder, states, lengths, whole).sum(-1)[0]
    best = [found[place] for place in scores.argsort(descending=True)[:6].tolist()]
    own = beam_search(decoder, states, lengths, 40, torch.tensor([3]))
    assert [tuple(one) for one in own.lists()[0][:6]] == best and own.ended[0, :6].all()


def test_a_clip_is_searched_alone_as_beside_a_longer_one():
    decoder, _, _ = toy()
    states, lengths = torch.randn(2, 6, 8, dtype=torch.float64), torch.tensor([6, 3])
    states[1, 3:] = 0
    both = beam_search(decoder, states, lengths, 3, torch.tensor([4, 2])).lists()[1]
    assert both == beam_search(decoder, states[1:, :3], lengths[1:], 3, torch.tensor([2])).lists()[0]


def test_samples_are_drawn_as_often_as_they_are_likely():
    decoder, states, lengths = toy()
    torch.manual_seed(1)
    found = sample_hypotheses(decoder, states, lengths, 4000, torch.tensor([1]))
    assert int(found.lengths.max()) == 1
    told = log_probs(decoder, states, lengths, Hypotheses(torch.full((1, 1, 1), IGNORE), torch.ones(1, 1) > 0))
    assert float((found.lengths == 0).float().mean()) == pytest.approx(float(told.sum().exp()), abs=0.03)
    assert bool(found.ended[found.lengths == 0].all())


def exact_gradient(decoder, states, lengths, reference):
    """Of the expected token error rate over every hypothesis of at most 2 tokens, by autograd."""
    found, whole = all_of(2)
    cut = Hypotheses(whole.tokens, whole.lengths < 2)
    shares = log_probs(decoder, states, lengths, cut).sum(-1).exp()[0]
    rates = torch.tensor([edits(own, reference) / len(reference) for own in found], dtype=torch.float64)
    return torch.autograd.grad((shares * rates).sum(), decoder.out.bias)[0]


REFERENCE, SAMPLES = [2, 4], 4000


@pytest.fixture(scope="module")
def sampled():
    """The toy, many samples of what it says, and their rewards."""
    decoder, states, lengths = toy()
    torch.manual_seed(2)
    found = sample_hypotheses(decoder, states, lengths, SAMPLES, torch.tensor([2]))
    return decoder, states, lengths, found, [[step_rewards(own, REFERENCE) for own in found.lists()[0]]]


@pytest.mark.parametrize("baseline", ["others", "none"])
def test_one_window_of_all_steps_gives_the_gradient_of_the_expected_error_rate(baseline, sampled):
    decoder, states, lengths, found, rewards = sampled
    objective = PolicyGradient(kernel=0, samples=SAMPLES, baseline=baseline)
    logs = log_probs(decoder, states, lengths, found)
    if baseline == "others":  # the same numbers without comparing each sample with 3,999 others one by one
        totals = torch.tensor([float(own.sum()) for own in rewards[0]], dtype=torch.float64)
        usual = (totals.sum() - totals) / (len(totals) - 1)
        few = PolicyGradient(kernel=0, samples=3)
        part = Hypotheses(found.tokens[:, :3], found.ended[:, :3])
        own = totals[:3] - (totals[:3].sum() - totals[:3]) / 2
        by_hand = -(own * logs[0, :3].sum(-1)).mean()
        assert float(few.loss(logs[:, :3], part, [rewards[0][:3]])) == pytest.approx(float(by_hand))
        loss = -((totals - usual) * logs[0].sum(-1)).mean()
    else:
        loss = objective.loss(logs, found, rewards)
    drawn_gradient = torch.autograd.grad(loss, decoder.out.bias)[0]
    exact = exact_gradient(decoder, states, lengths, REFERENCE)
    assert float((drawn_gradient - exact).norm() / exact.norm()) < 0.15
    assert float((drawn_gradient + exact).norm() / exact.norm()) > 1


def test_a_kernel_of_one_is_reinforce_with_immediate_rewards():
    decoder, states, lengths = toy()
    found = Hypotheses(torch.tensor([[[2, 3, 4]]]), torch.tensor([[True]]))
    logs = log_probs(decoder, states, lengths, found)
    rewards = step_rewards([2, 3, 4], [2, 4])
    loss = PolicyGradient(kernel=1, stride=1, samples=1, baseline="none").loss(logs, found, [[rewards]])
    assert float(loss) == pytest.approx(float(-(torch.tensor(rewards) * logs[0, 0, :3]).sum() / 4))  # the end has none


def test_the_expected_errors_are_those_of_the_list_by_finite_differences():
    decoder, states, lengths = toy()
    found, whole = all_of(2)
    wrong = torch.tensor([[float(edits(own, [2, 4])) for own in found]], dtype=torch.float64)

    def risk():
        return expected_errors(log_probs(decoder, states, lengths, whole).sum(-1), wrong, whole.ended)

    scores = log_probs(decoder, states, lengths, whole).sum(-1)
    shares = scores.exp() / scores.exp().sum()
    assert float(risk().detach()) == pytest.approx(float((shares * wrong).sum() - wrong.mean()))
    found_gradient = torch.autograd.grad(risk(), decoder.out.bias)[0]
    with torch.no_grad():
        for place in range(2, V):
            decoder.out.bias[place] += 1e-5
            above = float(risk())
            decoder.out.bias[place] -= 2e-5
            below = float(risk())
            decoder.out.bias[place] += 1e-5
            assert float(found_gradient[place]) == pytest.approx((above - below) / 2e-5, abs=1e-7)


def test_hypotheses_that_are_not_there_count_for_nothing():
    scores, wrong = torch.tensor([[-1.0, -2.0, -0.5]]), torch.tensor([[1.0, 3.0, 100.0]])
    there = torch.tensor([[True, True, False]])
    assert float(expected_errors(scores, wrong, there)) == pytest.approx(
        float(expected_errors(scores[:, :2], wrong[:, :2], there[:, :2]))
    )


TOKENS = CharTokenizer("abc ")


def reader(**more):
    torch.manual_seed(0)
    return LipReader(LipReaderConfig(TOKENS.vocab_size, **SIZES | FRONTEND | more)).train()


def batch_of():
    video = torch.randn(2, 14, 1, 88, 88, generator=torch.Generator().manual_seed(1))
    known = {"tokens": torch.tensor([[2, 3, 4], [4, IGNORE, IGNORE]]), "frame_tokens": torch.full((2, 14), IGNORE)}
    return Batch({"video": video}, torch.tensor([14, 9]), known, ["a", "b"])


def gradients(objective, model):
    model.zero_grad()
    torch.manual_seed(3)
    objective(model, batch_of())["loss"].backward()
    return [own.grad.clone() for own in model.parameters() if own.grad is not None]


@pytest.mark.parametrize("settings", [
    {"name": "scheduled_sampling", "settings": {"p": 0.0}}, {"name": "pcpg", "settings": {"weight": 0.0}},
])  # fmt: skip
def test_a_weight_of_nothing_is_cross_entropy_bit_for_bit(settings):
    model = reader(dropout=0.1)
    objective = objective_of(model.config, **settings)
    for plain, own in zip(gradients(ctc_attention, model), gradients(objective, model), strict=True):
        assert torch.equal(plain, own)


def test_scheduled_sampling_gives_what_the_decoder_says_and_keeps_the_start():
    model = reader()
    tokens, states, lengths = torch.tensor([[6, 2, 3], [6, 4, 6]]), torch.randn(2, 5, 16), torch.tensor([5, 3])
    said = model.decoder(tokens, states, lengths)[:, :-1]
    said[..., [0, 1, 6]] = -torch.inf
    given = ScheduledSampling(1.0).replace_inputs(model.decoder, tokens, states, lengths)
    assert torch.equal(given[:, :1], tokens[:, :1]) and int(given[1, 2]) == 6  # padding and start
    assert torch.equal(given[0, 1:], said[0].argmax(-1)) and int(given[1, 1]) == int(said[1, 0].argmax())
    assert not torch.equal(gradients(ScheduledSampling(1.0), model)[-1], gradients(ctc_attention, model)[-1])


@pytest.mark.parametrize("kind, settings, key", [
    ("pcpg", {"samples": 3}, "policy"), ("pcpg", {"baseline": "greedy", "samples": 1}, "policy"),
    ("mwer", {"beam": 3}, "risk"), ("mwer", {"reward": "token"}, "risk"), ("scheduled_sampling", {"p": 0.5}, "loss"),
])  # fmt: skip
def test_each_trains_the_whole_reader(kind, settings, key):
    model = reader()
    objective = objective_of(model.config, kind, settings, TOKENS)
    losses = objective(model, batch_of())
    losses["loss"].backward()
    assert losses[key].isfinite() and all(own.grad.isfinite().all() for own in model.decoder.parameters())
    assert model.frontend.state_dict() and any(own.grad.any() for own in model.frontend.parameters())


def test_words_are_counted_where_words_are_asked_for():
    assert MinimumRisk().bound(TOKENS).units(TOKENS.encode("ab c")) == ["ab", "c"]
    assert MinimumRisk(reward="token").bound(TOKENS).units([2, 3]) == (2, 3)


@pytest.mark.parametrize("kind, settings, told", [
    ("pcpg", {"samples": 1}, "2 samples"), ("pcpg", {"baseline": "luck"}, "greedy"), ("mwer", {"reward": "f1"}, "word"),
    ("pcpg", {"kernels": 3}, "kernels"), ("ctc_attention", {"kernel": 3}, "no settings"),
])  # fmt: skip
def test_what_cannot_be_is_refused(kind, settings, told):
    with pytest.raises(ValueError, match=told):
        objective_of(reader().config, kind, settings)


def test_a_model_without_a_decoder_is_refused():
    with pytest.raises(ValueError, match="needs a decoder"):
        objective_of(reader(decoder_layers=0).config, "mwer")
