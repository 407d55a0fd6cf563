"""Projectors from states to vectors of a language model: shapes, padding, and what each kind does with its frames."""

import pytest
import torch

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.models.lengths import length_mask, zero_padding
from vsr.models.projectors import PROJECTORS, Stack, means_of_runs, projector_of

KINDS = {
    "stack": {"frames": 3}, "strided": {"hidden": 8}, "dedup": {"units": 5}, "query": {"rate": 5.0, "heads": 2},
}  # fmt: skip
LENGTHS = torch.tensor([14, 9, 1])


def make_projector(name, dim=16, width=12):
    torch.manual_seed(0)
    projector = projector_of({"kind": name, **KINDS[name]}).build(dim, width).eval()
    if name == "dedup":
        projector.centroids.normal_()
    return projector


def states_of(lengths=LENGTHS, seed=0):
    states = torch.randn(len(lengths), int(lengths.max()), 16, generator=torch.Generator().manual_seed(seed))
    return zero_padding(states, length_mask(lengths, states.shape[1]))


def test_every_projector_is_tested():
    assert set(PROJECTORS) == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_clip_gives_the_same_alone_and_beside_a_longer_one(name):
    projector, states = make_projector(name), states_of()
    vectors, counts = projector(states, LENGTHS)
    assert vectors.shape == (3, int(counts.max()), 12) and int(counts.min()) >= 1
    for row, length in enumerate(LENGTHS.tolist()):
        alone, count = projector(states[row : row + 1, :length], LENGTHS[row : row + 1])
        assert count.tolist() == counts[row : row + 1].tolist()
        assert torch.allclose(alone[0], vectors[row, : int(count)], atol=1e-5)
        assert not vectors[row, int(count) :].any()


@pytest.mark.parametrize("name", KINDS)
def test_gradients_reach_every_weight_but_no_padding(name):
    projector, states = make_projector(name), states_of().requires_grad_()
    projector(states, LENGTHS)[0].square().sum().backward()
    without_gradient = {
        name_of_parameter
        for name_of_parameter, value in projector.named_parameters()
        if value.grad is None or not value.grad.any()
    }
    assert all(name_of_parameter.startswith("pace.") for name_of_parameter in without_gradient)
    assert states.grad[0].any() and not states.grad[1, 11:].any()  # a kernel may see two frames of padding


def test_stack_of_one_frame_is_a_linear_layer():
    stack = Stack(16, 12, 1, 0)
    vectors, counts = stack(states_of(), LENGTHS)
    assert counts.tolist() == LENGTHS.tolist()
    linear = torch.nn.functional.linear(states_of()[0], stack.out.weight, stack.out.bias)
    assert torch.allclose(vectors[0], linear, atol=1e-5)


def test_frames_are_stacked_and_the_last_ones_padded_with_zeros():
    stack = Stack(2, 6, 3, 0)
    with torch.no_grad():
        stack.out.weight.copy_(torch.eye(6))
        stack.out.bias.zero_()
    vectors, counts = stack(torch.arange(1, 9.0).view(1, 4, 2), torch.tensor([4]))
    assert counts.tolist() == [2]
    assert vectors[0].tolist() == [[1, 2, 3, 4, 5, 6], [7, 8, 0, 0, 0, 0]]


def test_run_of_one_unit_becomes_its_mean():
    states = torch.tensor([[[1.0], [3.0], [5.0], [7.0], [9.0]], [[2.0], [4.0], [8.0], [0.0], [0.0]]])
    units = torch.tensor([[4, 4, 1, 4, 4], [0, 0, 0, 0, 0]])
    mask = length_mask(torch.tensor([5, 2]), 5)
    means, counts = means_of_runs(zero_padding(states, mask), units, mask)
    assert counts.tolist() == [3, 1]
    assert means[..., 0].tolist() == [[2, 5, 8], [3, 0, 0]]


def test_units_are_the_nearest_centroids():
    projector, states = make_projector("dedup"), states_of()
    expected = torch.cdist(states, projector.centroids[None].expand(3, -1, -1)).argmin(-1)
    assert torch.equal(projector.units(states), expected)


@pytest.mark.parametrize("pace, expected", [(-9.0, [30, 5]), (1.0, [40, 7]), (9.0, [60, 10])])
def test_faster_speech_has_more_queries_within_bounds(pace, expected):
    """5 a second for 6 s and 1 s, times the rate relative to the usual one, from 1 to 2."""
    projector = make_projector("query")
    with torch.no_grad():
        projector.pace[2].weight.zero_()
        projector.pace[2].bias.fill_(pace)
    lengths = torch.tensor([150, 25])
    counts = projector.counts(states_of(lengths), lengths).tolist()
    factor = float(torch.nn.functional.softplus(torch.tensor(pace)).clamp(1, 2))
    assert counts == [int(-(-150 * 5 * factor // 25)), int(-(-25 * 5 * factor // 25))]
    assert counts == expected


def test_speech_rate_is_learnt_without_a_gradient_of_the_states():
    projector, states = make_projector("query").train(), states_of(LENGTHS[:2]).requires_grad_()
    tokens = torch.tensor([[1, 2, 3], [4, IGNORE, IGNORE]])
    batch = Batch({}, LENGTHS[:2], {"tokens": tokens, "words": torch.tensor([[2], [1]])}, ["a", "b"])
    loss = projector.losses(states, batch)["speech_rate"]
    rates = (projector.speech_rate(states, LENGTHS[:2]) + 1e-4).log()
    errors = (rates - (torch.tensor([2, 1]) * 25 / LENGTHS[:2]).log()) ** 2
    assert float(loss) == pytest.approx(float((4 * errors[0] + 2 * errors[1]) / 6), rel=1e-5)
    loss.backward()
    assert states.grad is None and projector.pace[0].weight.grad.any()


@pytest.mark.parametrize(
    "settings, message",
    [({"kind": "stack", "frames": 0}, "frames"), ({"kind": "heap"}, "heap"), ({"kind": "query", "pace": 1}, "pace")],
)
def test_refuses_impossible_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        projector_of(settings)
