"""The flow: exact on a straight path, one convention of guidance, own noise for every clip."""

import pytest
import torch

from lip2speech.models.flow import chained, draw_times, grid, noise, on_path, solve, to_velocity
from lip2speech.models.flow_options import FlowOptions
from vsr.core.errors import VsrError


@pytest.mark.parametrize("solver", ["euler", "midpoint"])
@pytest.mark.parametrize("steps", [1, 3, 32])
@pytest.mark.parametrize("sway", [0.0, -1.0])
def test_solver_is_exact_on_a_straight_path(solver, steps, sway):
    start, end = torch.randn(2, 2, 5, 160)
    reached = solve(lambda x, t: end - start, start, FlowOptions(steps, solver=solver, sway=sway))
    assert torch.allclose(reached, end, atol=1e-5)


def test_midpoint_is_of_second_order():
    start = torch.ones(1, 1, 1)

    def error(solver, steps):
        return float((solve(lambda x, t: x, start, FlowOptions(steps, solver=solver)) - torch.e).abs())

    assert error("euler", 8) / error("euler", 16) == pytest.approx(2, rel=0.15)
    assert error("midpoint", 8) / error("midpoint", 16) == pytest.approx(4, rel=0.15)


def test_predicting_the_end_gives_the_same_flow():
    start, end = torch.randn(2, 1, 4, 160)
    reached = solve(lambda x, t: to_velocity(end, x, t, "x1"), start, FlowOptions(5))
    assert torch.allclose(reached, end, atol=1e-5)


def test_guidance_has_one_convention():
    conditional, unconditional = torch.randn(2, 3)
    assert torch.equal(chained([unconditional, conditional], [0]), unconditional)
    assert torch.allclose(chained([unconditional, conditional], [1]), conditional, atol=1e-6)
    assert torch.allclose(chained([unconditional, conditional], [2]), 2 * conditional - unconditional, atol=1e-6)


@pytest.mark.parametrize("sway", [-1.0, -0.4, 0.0, 0.6])
def test_times_rise_from_zero_to_one(sway):
    times = grid(7, sway)
    assert times[0] == pytest.approx(0) and times[-1] == pytest.approx(1)
    assert all(a < b for a, b in zip(times, times[1:], strict=False))
    assert (times[1] < 1 / 7) == (sway < 0) or sway == 0


def test_noise_of_a_clip_does_not_depend_on_the_batch():
    together = noise([5, 9], 160, [1, 2])
    assert torch.equal(together[0, :5], noise([5], 160, [1])[0])
    assert torch.equal(together[1], noise([9], 160, [2])[0])
    assert not together[0, 5:].any()
    assert not torch.equal(together[0, :5], together[1, :5])


def test_path_and_training_times():
    start, end = torch.zeros(2, 3, 4), torch.ones(2, 3, 4)
    assert torch.allclose(on_path(start, end, torch.tensor([0.0, 0.25]))[:, 0, 0], torch.tensor([0.0, 0.25]))
    torch.manual_seed(0)
    for distribution in ("uniform", "logit_normal"):
        times = draw_times(4000, distribution, torch.device("cpu"))
        assert times.min() >= 0 and times.max() <= 1 and abs(times.mean() - 0.5) < 0.03
    assert draw_times(4000, "logit_normal", torch.device("cpu")).std() < 0.25


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": -1}, {"steps": 1001}, {"solver": "rk4"}, {"sway": 3.0}, {"seed": -1}, {"seed": 2**64},
        *({name: value} for name in ("guidance", "temperature", "detail") for value in (-1.0, NAN, INFINITE, 1e30)),
        {"sway": NAN},
    ],
)  # fmt: skip
def test_refuses_wrong_options_by_name(wrong):
    with pytest.raises(VsrError, match=next(iter(wrong))) as caught:
        FlowOptions(**wrong)
    assert caught.value.reason == "bad_options"


def test_bounds_of_options_are_allowed():
    for bounds in ({"seed": 2**63 - 1}, {"steps": 1000}, {"guidance": 0.0, "temperature": 0.0}, {"sway": -1.0}):
        assert FlowOptions(**bounds)
