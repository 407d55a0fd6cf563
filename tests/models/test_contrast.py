"""Contrastive losses of lips and sound agree with their sums written out, and what must not change them."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vsr.core.errors import VsrError
from vsr.data.batch import Batch
from vsr.models.contrast import agreement, cross_contrast, shifted, supervised_contrast, synchrony_loss, warped_pairs
from vsr.models.registry import FUSIONS
from vsr.models.warp import warp
from vsr.objectives.contrast import aligned_to_lips, contrast, contrast_losses, fusion_of


def unit_vectors(*shape, seed=0):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


@pytest.mark.parametrize("standard", [True, False])
def test_cross_contrast_equals_its_sum(standard):
    x, y, tau = unit_vectors(4, 3), unit_vectors(4, 3, seed=1), 0.5
    both = [*x, *y]
    total = 0.0
    for n, anchor in enumerate(both):
        partner = (n + 4) % 8
        negatives = [m for m in range(8) if m != n and (standard or m != partner)]
        total += (
            math.log(sum(math.exp(float(anchor @ both[m]) / tau) for m in negatives))
            - float(anchor @ both[partner]) / tau
        )
    assert float(cross_contrast(x, y, tau, standard)) == pytest.approx(total / 8, rel=1e-5)


def test_published_form_of_a_case_by_hand():
    """Two orthogonal frames: the positive scores 1/tau, the two negatives 0: log 2 - 1/tau, which is negative."""
    x = torch.eye(2)
    assert float(cross_contrast(x, x, 0.5, standard=False)) == pytest.approx(math.log(2) - 2, rel=1e-6)
    assert float(cross_contrast(x, x, 0.5)) == pytest.approx(math.log(2 + math.exp(2)) - 2, rel=1e-6)


def test_supervised_contrast_equals_its_sum():
    x, labels, tau = unit_vectors(5, 3), [0, 1, 0, 1, 2], 0.3
    total, count = 0.0, 0
    for n in range(5):
        positives = [math.exp(float(x[n] @ x[m]) / tau) for m in range(5) if m != n and labels[m] == labels[n]]
        if positives:
            total += math.log(sum(math.exp(float(x[n] @ x[m]) / tau) for m in range(5) if m != n)) - math.log(
                sum(positives)
            )
            count += 1
    assert count == 4
    assert float(supervised_contrast(x, torch.tensor(labels), tau)) == pytest.approx(total / count, rel=1e-5)
    assert float(supervised_contrast(x, torch.arange(5), tau)) == 0.0


def test_shift_moves_frames_and_their_mask():
    x = torch.arange(10.0).view(2, 5, 1)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()
    late, valid = shifted(x, mask, torch.tensor([2, -1]))
    assert late[0, 2:, 0].tolist() == [0, 1, 2] and valid[0].tolist() == [False, False, True, True, True]
    assert late[1, :2, 0].tolist() == [6, 7] and valid[1].tolist() == [True, True, False, False, False]


def test_synchrony_prefers_aligned_streams_and_has_gradients_for_others():
    """A sinusoid with itself scores above its shifts; negatives with a negative cosine still have a gradient."""
    angle = torch.linspace(0, 12, 60)
    x = torch.stack([angle.cos(), angle.sin()], -1)[None]
    mask = torch.ones(1, 60, dtype=torch.bool)
    scores = [float(agreement(x, *shifted(x, mask, torch.tensor([step]))[:1], mask)) for step in range(-10, 11)]
    assert max(range(21), key=lambda step: scores[step]) == 10 and scores[10] == pytest.approx(1)
    y = (-x).clone().requires_grad_()
    synchrony_loss(x, y, mask, torch.tensor(5.0), torch.tensor(0.0), torch.tensor([9])).backward()
    assert float(y.grad.abs().sum()) > 0


def test_synchrony_equals_its_terms_and_ignores_padding():
    x, y, scale, bias = unit_vectors(2, 6, 4), unit_vectors(2, 6, 4, seed=1), torch.tensor(3.0), torch.tensor(-0.5)
    mask, steps = torch.ones(2, 6, dtype=torch.bool), torch.tensor([2, -1])
    terms = []
    for clip, step in enumerate(steps.tolist()):
        frames = range(6)
        scores = [
            ([float(x[clip, t] @ y[clip, t]) for t in frames], 1),
            ([float(x[clip, t] @ y[clip, t - step]) for t in frames if 0 <= t - step < 6], 0),
            ([float(x[clip, t] @ y[1 - clip, t]) for t in frames], 0),
        ]
        for cosines, target in scores:
            probability = 1 / (1 + math.exp(-(3 * sum(cosines) / len(cosines) - 0.5)))
            terms.append(-math.log(probability if target else 1 - probability))
    loss = float(synchrony_loss(x, y, mask, scale, bias, steps))
    assert loss == pytest.approx(sum(terms) / 6, rel=1e-5)
    padded = [F.pad(cosines, (0, 0, 0, 3), value=7.0) for cosines in (x, y)]
    longer = F.pad(mask, (0, 3))
    assert float(synchrony_loss(*padded, longer, scale, bias, steps)) == pytest.approx(loss, rel=1e-5)


def test_warping_is_the_cheapest_of_all_paths():
    cost = np.random.default_rng(0).random((4, 3))

    def paths(i, j):
        if (i, j) == (0, 0):
            yield [(0, 0)]
        for a, b in ((i - 1, j - 1), (i - 1, j), (i, j - 1)):
            if a >= 0 and b >= 0:
                yield from ([*earlier, (i, j)] for earlier in paths(a, b))

    total = lambda path: sum(cost[cell] for cell in path)  # noqa: E731
    assert total(warp(cost)) == pytest.approx(min(map(total, paths(3, 2))))
    slow = unit_vectors(5, 8)
    video, sound = warped_pairs(slow, slow.repeat_interleave(2, 0))
    assert torch.equal(video, sound)


def test_other_recording_is_aligned_to_the_lips_and_padding_stays():
    """Sound that begins late and is held: each lip frame gets its own frame of the sound."""
    lips = unit_vectors(2, 8, 16)
    order = torch.tensor([0, 0, 1, 2, 3, 4, 5, 7])
    sound = torch.stack([lips[0][order], lips[1]])
    mask = torch.ones(2, 8, dtype=torch.bool)
    mask[1, 5:] = False
    aligned = aligned_to_lips(lips, sound, mask)
    assert torch.equal(aligned[0, [0, 1, 2, 3, 4, 5, 7]], lips[0, [0, 1, 2, 3, 4, 5, 7]]) and torch.equal(
        aligned[1], lips[1]
    )


SMALL = {"width": 8, "layers": 1, "dropout": 0.0}


def fusion(**settings):
    torch.manual_seed(0)
    return FUSIONS["contrast"](**SMALL, **settings).build(12).eval()


def test_contrast_fusion_equals_its_inner_fusion():
    outer = fusion()
    video, sound, mask = torch.randn(2, 5, 12), torch.randn(2, 5, 12), torch.ones(2, 5, dtype=torch.bool)
    assert torch.equal(outer(video, sound, mask)[0], outer.inner(video, sound, mask)[0])
    lip_embeddings, _ = outer.pair(video, sound, mask)
    alone, _ = outer.pair(video[:1, :4], sound[:1, :4], mask[:1, :4])
    short = mask.clone()
    short[0, 4:] = False
    beside, _ = outer.pair(video, sound, short)
    assert torch.allclose(beside[0, :4], alone[0], atol=1e-5) and torch.allclose(
        lip_embeddings.norm(dim=-1), torch.ones(2, 5)
    )


def test_losses_have_weights_and_a_weight_of_0_leaves_the_loss_out():
    video, sound, mask = torch.randn(2, 30, 12), torch.randn(2, 30, 12), torch.ones(2, 30, dtype=torch.bool)
    labels = torch.arange(60).view(2, 30) % 4 - 1
    for values in itertools.product((0.0, 1.0), repeat=3):
        weights = dict(zip(("synchrony", "cross", "supervised"), values, strict=True))
        losses = contrast_losses(fusion(**weights), video, sound, mask, labels)
        assert set(losses) == {name for name, weight in weights.items() if weight}


@pytest.mark.parametrize("settings, message", [
    ({"shift": (0, 3)}, "shift"), ({"tau": 0.0}, "tau"), ({"inner": "contrast"}, "must join features"),
    ({"inner": "word_evidence"}, "must join features"),
])  # fmt: skip
def test_refuses_impossible_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        fusion(**settings)


def reader(fusion):
    """A tiny audio-visual model."""
    from vsr.models.lipreader import LipReader, LipReaderConfig

    torch.manual_seed(0)
    frontend = {"video": {"kind": "video_transformer", "width": 8, "layers": 1, "heads": 2},
                "sound": {"kind": "mel", "width": 8, "layers": 1, "dropout": 0.0}, "fusion": fusion}  # fmt: skip
    return LipReader(LipReaderConfig(
        vocab_size=6, frontend="audio_visual", frontend_settings=frontend, dim=12, heads=2, hidden=16, layers=1,
        decoder_layers=0, ctc_weight=1.0, alignment_weight=0.0, dropout=0.0,
    )).eval()  # fmt: skip


def both_streams(present=(True, True)):
    """A batch of two clips."""
    rng = torch.Generator().manual_seed(1)
    inputs = {"video": torch.randn(2, 30, 1, 88, 88, generator=rng), "sound": torch.randn(2, 30, 4, 80, generator=rng)}
    flags = {"video": torch.tensor([True, True]), "sound": torch.tensor(present)}
    targets = {"tokens": torch.tensor([[2, 3], [3, 4]])}
    return Batch(inputs, torch.tensor([30, 30]), targets, ["a", "b"], present=flags)


def test_objective_adds_to_the_hybrid_loss_and_trains_the_embeddings():
    from vsr.objectives.ctc_attention import ctc_attention

    model, batch = reader({"kind": "contrast", **SMALL, "cross": 0.5}), both_streams()
    hybrid = ctc_attention(model, batch)["loss"]
    losses = contrast(model, batch)
    added = float(losses["synchrony"]) + 0.5 * float(losses["cross"])
    assert float(losses["loss"]) == pytest.approx(float(hybrid) + added, rel=1e-4)
    losses["loss"].backward()
    assert all(
        parameter.grad is not None and float(parameter.grad.abs().sum())
        for parameter in fusion_of(model).see.parameters()
    )


def test_clips_without_sound_are_left_out_of_the_contrast():
    model = reader({"kind": "contrast", **SMALL, "cross": 1.0})
    assert "cross" not in contrast(model, both_streams((False, False)))
    assert "cross" in contrast(model, both_streams((True, False)))


def test_part_of_a_step_without_sound_has_the_gradients_of_the_others():
    """They are 0; the other ranks wait for them."""
    model = reader({"kind": "contrast", **SMALL, "cross": 1.0}).train()
    batch = both_streams((False, False))
    batch.shares = {"clips": torch.tensor(1.0)}
    losses = contrast(model, batch)
    losses["loss"].backward()
    assert losses["cross"] == losses["synchrony"] == 0
    assert all(parameter.grad is not None for parameter in model.frontend.fusion.parameters())


def test_refuses_model_without_the_contrast_fusion():
    with pytest.raises(VsrError, match="the fusion contrast"):
        contrast(reader("concat"), both_streams())
