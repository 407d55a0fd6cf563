"""Models built for weights of a file: initialisation draws nothing, and draws that repeat until they fit end."""

import torch
from torch import nn

from vsr.models.uninitialised import uninitialised


def test_draw_repeated_until_it_fits_ends():
    """As PyTorch 2.14 draws a truncated normal."""
    weights = torch.full((8,), 9.0)
    with uninitialised(), torch.no_grad():
        for _ in range(3):
            if not (weights.abs() > 0.04).any():
                break
            weights = torch.full_like(weights, 9.0).normal_(0.0, 0.02)
    assert not (weights.abs() > 0.04).any()


def test_no_random_numbers_are_drawn():
    before = torch.get_rng_state()
    with uninitialised():
        parameter = nn.Parameter(nn.init.normal_(torch.empty(3, 4), std=0.02))
        nn.init.normal_(nn.Parameter(torch.empty(5)), mean=2.0)
        nn.init.trunc_normal_(torch.empty(6), std=0.02)
        nn.Linear(4, 4), nn.Embedding(5, 3), nn.Conv1d(2, 2, 3)
    assert torch.equal(torch.get_rng_state(), before) and parameter.requires_grad
