"""Objectives over whole hypotheses agree with enumeration of all hypotheses, and with finite differences."""

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


def toy_decoder():
    """A decoder with strong preferences over one clip of 4 frames, float64."""
    torch.manual_seed(0)
    decoder = Decoder(V, 8, 1, 2, 16, 0.0).double()
    with torch.no_grad():
        decoder.out.weight.mul_(3)
    return decoder, torch.randn(1, 4, 8, dtype=torch.float64), torch.tensor([4])


def all_of(longest):
    """Every hypothesis of at most so many tokens; those of the longest have no end of their own."""
    all_tokens = [ids for count in range(longest + 1) for ids in itertools.product((2, 3, 4), repeat=count)]
    tokens = torch.full((1, len(all_tokens), longest), IGNORE)
    for index, ids in enumerate(all_tokens):
        tokens[0, index, : len(ids)] = torch.tensor(ids, dtype=torch.long)
    return all_tokens, Hypotheses(tokens, torch.ones(1, len(all_tokens), dtype=torch.bool))


@pytest.mark.parametrize("seed", range(20))
def test_edits_of_all_prefixes_are_those_of_each(seed):
    rng = np.random.default_rng(seed)
    hypothesis, reference = (rng.integers(0, 3, rng.integers(0, 8)).tolist() for _ in range(2))
    distances = prefix_edits(hypothesis, reference)
    assert distances.tolist() == [slow_edits(hypothesis[:count], reference) for count in range(len(hypothesis) + 1)]
    if reference:  # rewards of all steps add up to 1 - CER
        assert step_rewards(hypothesis, reference).sum() == pytest.approx(1 - distances[-1] / len(reference))
    assert edits([str(unit) for unit in hypothesis], [str(unit) for unit in reference]) == distances[-1]


def slow_edits(a, b):
    if not a or not b:
        return len(a) + len(b)
    return min(slow_edits(a[:-1], b) + 1, slow_edits(a, b[:-1]) + 1, slow_edits(a[:-1], b[:-1]) + (a[-1] != b[-1]))


def test_windows_cover_the_steps_and_the_last_ends_with_them():
    values = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 99.0])
    assert window_sums(values, 5, 2, 2).tolist() == [3, 12, 24]
    assert window_sums(values, 5, 1, 1).tolist() == [1, 2, 4, 8, 16]
    assert window_sums(values, 5, 0, 3).tolist() == window_sums(values, 5, 9, 1).tolist() == [31]


def test_probabilities_of_all_hypotheses_sum_to_one():
    decoder, states, lengths = toy_decoder()
    _, shorter = all_of(2)
    ended = log_probs(decoder, states, lengths, shorter).sum(-1).exp().sum()
    token_lists, whole = all_of(3)
    cut = Hypotheses(whole.tokens, whole.lengths < 3)  # those of 3 tokens continue: without their end
    assert float(log_probs(decoder, states, lengths, cut).sum(-1).exp().sum().detach()) == pytest.approx(1.0, abs=1e-9)
    assert 0 < float(ended.detach()) < 1


def test_wide_beam_finds_the_most_probable_hypotheses():
    decoder, states, lengths = toy_decoder()
    token_lists, whole = all_of(3)
    scores = log_probs(decoder, states, lengths, whole).sum(-1)[0]
    best = [token_lists[index] for index in scores.argsort(descending=True)[:6].tolist()]
    beam_result = beam_search(decoder, states, lengths, 40, torch.tensor([3]))
    assert [tuple(ids) for ids in beam_result.lists()[0][:6]] == best and beam_result.ended[0, :6].all()


def test_clip_is_searched_alike_alone_and_beside_a_longer_one():
    decoder, _, _ = toy_decoder()
    states, lengths = torch.randn(2, 6, 8, dtype=torch.float64), torch.tensor([6, 3])
    states[1, 3:] = 0
    both = beam_search(decoder, states, lengths, 3, torch.tensor([4, 2])).lists()[1]
    assert both == beam_search(decoder, states[1:, :3], lengths[1:], 3, torch.tensor([2])).lists()[0]


def test_samples_are_drawn_by_their_probability():
    decoder, states, lengths = toy_decoder()
    torch.manual_seed(1)
    samples = sample_hypotheses(decoder, states, lengths, 4000, torch.tensor([1]))
    assert int(samples.lengths.max()) == 1
    empty_log_prob = log_probs(
        decoder, states, lengths, Hypotheses(torch.full((1, 1, 1), IGNORE), torch.ones(1, 1) > 0)
    )
    assert float((samples.lengths == 0).float().mean()) == pytest.approx(float(empty_log_prob.sum().exp()), abs=0.03)
    assert bool(samples.ended[samples.lengths == 0].all())


def exact_gradient(decoder, states, lengths, reference):
    """Gradient of the expected token error rate over every hypothesis of at most 2 tokens, by autograd."""
    token_lists, whole = all_of(2)
    cut = Hypotheses(whole.tokens, whole.lengths < 2)
    shares = log_probs(decoder, states, lengths, cut).sum(-1).exp()[0]
    rates = torch.tensor([edits(ids, reference) / len(reference) for ids in token_lists], dtype=torch.float64)
    return torch.autograd.grad((shares * rates).sum(), decoder.out.bias)[0]


REFERENCE, SAMPLES = [2, 4], 4000


@pytest.fixture(scope="module")
def sampled():
    """The toy decoder, many samples of it, and their rewards."""
    decoder, states, lengths = toy_decoder()
    torch.manual_seed(2)
    samples = sample_hypotheses(decoder, states, lengths, SAMPLES, torch.tensor([2]))
    return decoder, states, lengths, samples, [[step_rewards(ids, REFERENCE) for ids in samples.lists()[0]]]


@pytest.mark.parametrize("baseline", ["others", "none"])
def test_single_window_gives_the_gradient_of_the_expected_error_rate(baseline, sampled):
    decoder, states, lengths, samples, rewards = sampled
    objective = PolicyGradient(kernel=0, samples=SAMPLES, baseline=baseline)
    sample_log_probs = log_probs(decoder, states, lengths, samples)
    if baseline == "others":  # the same numbers without comparing each sample with 3,999 others one by one
        totals = torch.tensor([float(reward.sum()) for reward in rewards[0]], dtype=torch.float64)
        baseline_reward = (totals.sum() - totals) / (len(totals) - 1)
        few = PolicyGradient(kernel=0, samples=3)
        part = Hypotheses(samples.tokens[:, :3], samples.ended[:, :3])
        advantage = totals[:3] - (totals[:3].sum() - totals[:3]) / 2
        by_hand = -(advantage * sample_log_probs[0, :3].sum(-1)).mean()
        assert float(few.loss(sample_log_probs[:, :3], part, [rewards[0][:3]])) == pytest.approx(float(by_hand))
        loss = -((totals - baseline_reward) * sample_log_probs[0].sum(-1)).mean()
    else:
        loss = objective.loss(sample_log_probs, samples, rewards)
    drawn_gradient = torch.autograd.grad(loss, decoder.out.bias)[0]
    exact = exact_gradient(decoder, states, lengths, REFERENCE)
    assert float((drawn_gradient - exact).norm() / exact.norm()) < 0.15
    assert float((drawn_gradient + exact).norm() / exact.norm()) > 1


def test_kernel_of_one_is_reinforce_with_immediate_rewards():
    decoder, states, lengths = toy_decoder()
    hypotheses = Hypotheses(torch.tensor([[[2, 3, 4]]]), torch.tensor([[True]]))
    token_log_probs = log_probs(decoder, states, lengths, hypotheses)
    rewards = step_rewards([2, 3, 4], [2, 4])
    loss = PolicyGradient(kernel=1, stride=1, samples=1, baseline="none").loss(token_log_probs, hypotheses, [[rewards]])
    assert float(loss) == pytest.approx(
        float(-(torch.tensor(rewards) * token_log_probs[0, 0, :3]).sum() / 4)
    )  # the end has none


def test_expected_errors_and_their_gradient_agree_with_finite_differences():
    decoder, states, lengths = toy_decoder()
    token_lists, whole = all_of(2)
    wrong = torch.tensor([[float(edits(ids, [2, 4])) for ids in token_lists]], dtype=torch.float64)

    def risk():
        return expected_errors(log_probs(decoder, states, lengths, whole).sum(-1), wrong, whole.ended)

    scores = log_probs(decoder, states, lengths, whole).sum(-1)
    shares = scores.exp() / scores.exp().sum()
    assert float(risk().detach()) == pytest.approx(float((shares * wrong).sum() - wrong.mean()))
    gradient = torch.autograd.grad(risk(), decoder.out.bias)[0]
    with torch.no_grad():
        for index in range(2, V):
            decoder.out.bias[index] += 1e-5
            above = float(risk())
            decoder.out.bias[index] -= 2e-5
            below = float(risk())
            decoder.out.bias[index] += 1e-5
            assert float(gradient[index]) == pytest.approx((above - below) / 2e-5, abs=1e-7)


def test_missing_hypotheses_do_not_count():
    scores, wrong = torch.tensor([[-1.0, -2.0, -0.5]]), torch.tensor([[1.0, 3.0, 100.0]])
    present = torch.tensor([[True, True, False]])
    assert float(expected_errors(scores, wrong, present)) == pytest.approx(
        float(expected_errors(scores[:, :2], wrong[:, :2], present[:, :2]))
    )


TOKENS = CharTokenizer("abc ")


def reader(**settings):
    torch.manual_seed(0)
    return LipReader(LipReaderConfig(TOKENS.vocab_size, **SIZES | FRONTEND | settings)).train()


def batch_of():
    video = torch.randn(2, 14, 1, 88, 88, generator=torch.Generator().manual_seed(1))
    targets = {"tokens": torch.tensor([[2, 3, 4], [4, IGNORE, IGNORE]]), "frame_tokens": torch.full((2, 14), IGNORE)}
    return Batch({"video": video}, torch.tensor([14, 9]), targets, ["a", "b"])


def gradients(objective, model):
    model.zero_grad()
    torch.manual_seed(3)
    objective(model, batch_of())["loss"].backward()
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("settings", [
    {"name": "scheduled_sampling", "settings": {"p": 0.0}}, {"name": "pcpg", "settings": {"weight": 0.0}},
])  # fmt: skip
def test_weight_of_0_is_cross_entropy_to_the_bit(settings):
    model = reader(dropout=0.1)
    objective = objective_of(model.config, **settings)
    for expected, actual in zip(gradients(ctc_attention, model), gradients(objective, model), strict=True):
        assert torch.equal(expected, actual)


def test_scheduled_sampling_replaces_tokens_by_predictions_and_keeps_the_start():
    model = reader()
    tokens, states, lengths = torch.tensor([[6, 2, 3], [6, 4, 6]]), torch.randn(2, 5, 16), torch.tensor([5, 3])
    logits = model.decoder(tokens, states, lengths)[:, :-1]
    logits[..., [0, 1, 6]] = -torch.inf
    mixed = ScheduledSampling(1.0).replace_inputs(model.decoder, tokens, states, lengths)
    assert torch.equal(mixed[:, :1], tokens[:, :1]) and int(mixed[1, 2]) == 6  # padding and start
    assert torch.equal(mixed[0, 1:], logits[0].argmax(-1)) and int(mixed[1, 1]) == int(logits[1, 0].argmax())
    assert not torch.equal(gradients(ScheduledSampling(1.0), model)[-1], gradients(ctc_attention, model)[-1])


@pytest.mark.parametrize("kind, settings, key", [
    ("pcpg", {"samples": 3}, "policy"), ("pcpg", {"baseline": "greedy", "samples": 1}, "policy"),
    ("mwer", {"beam": 3}, "risk"), ("mwer", {"reward": "token"}, "risk"), ("scheduled_sampling", {"p": 0.5}, "loss"),
])  # fmt: skip
def test_objective_has_gradients_in_the_whole_model(kind, settings, key):
    model = reader()
    objective = objective_of(model.config, kind, settings, TOKENS)
    losses = objective(model, batch_of())
    losses["loss"].backward()
    assert losses[key].isfinite() and all(parameter.grad.isfinite().all() for parameter in model.decoder.parameters())
    assert model.frontend.state_dict() and any(parameter.grad.any() for parameter in model.frontend.parameters())


def test_errors_are_counted_in_words_or_tokens():
    assert MinimumRisk().bound(TOKENS).units(TOKENS.encode("ab c")) == ["ab", "c"]
    assert MinimumRisk(reward="token").bound(TOKENS).units([2, 3]) == (2, 3)


@pytest.mark.parametrize("kind, settings, message", [
    ("pcpg", {"samples": 1}, "2 samples"), ("pcpg", {"baseline": "luck"}, "greedy"), ("mwer", {"reward": "f1"}, "word"),
    ("pcpg", {"kernels": 3}, "kernels"), ("ctc_attention", {"kernel": 3}, "no settings"),
])  # fmt: skip
def test_refuses_impossible_settings(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        objective_of(reader().config, kind, settings)


def test_refuses_model_without_a_decoder():
    with pytest.raises(ValueError, match="needs a decoder"):
        objective_of(reader(decoder_layers=0).config, "mwer")
