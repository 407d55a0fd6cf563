"""Contrast of lips and sound: each loss beside its sum written out, and what must not change it."""

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


def units(*shape, seed=0):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


@pytest.mark.parametrize("standard", [True, False])
def test_cross_contrast_is_its_sum_written_out(standard):
    x, y, tau = units(4, 3), units(4, 3, seed=1), 0.5
    both = [*x, *y]
    total = 0.0
    for n, own in enumerate(both):
        partner = (n + 4) % 8
        rivals = [m for m in range(8) if m != n and (standard or m != partner)]
        total += math.log(sum(math.exp(float(own @ both[m]) / tau) for m in rivals)) - float(own @ both[partner]) / tau
    assert float(cross_contrast(x, y, tau, standard)) == pytest.approx(total / 8, rel=1e-5)


def test_the_published_form_on_a_case_by_hand():
    """Two frames, at right angles: the positive scores 1/tau, the two rivals 0: log 2 - 1/tau, which is negative."""
    x = torch.eye(2)
    assert float(cross_contrast(x, x, 0.5, standard=False)) == pytest.approx(math.log(2) - 2, rel=1e-6)
    assert float(cross_contrast(x, x, 0.5)) == pytest.approx(math.log(2 + math.exp(2)) - 2, rel=1e-6)


def test_supervised_contrast_is_its_sum_written_out():
    x, labels, tau = units(5, 3), [0, 1, 0, 1, 2], 0.3
    total, count = 0.0, 0
    for n in range(5):
        own = [math.exp(float(x[n] @ x[m]) / tau) for m in range(5) if m != n and labels[m] == labels[n]]
        if own:
            total += math.log(sum(math.exp(float(x[n] @ x[m]) / tau) for m in range(5) if m != n)) - math.log(sum(own))
            count += 1
    assert count == 4
    assert float(supervised_contrast(x, torch.tensor(labels), tau)) == pytest.approx(total / count, rel=1e-5)
    assert float(supervised_contrast(x, torch.arange(5), tau)) == 0.0


def test_shifting_moves_and_masks():
    x = torch.arange(10.0).view(2, 5, 1)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()
    late, there = shifted(x, mask, torch.tensor([2, -1]))
    assert late[0, 2:, 0].tolist() == [0, 1, 2] and there[0].tolist() == [False, False, True, True, True]
    assert late[1, :2, 0].tolist() == [6, 7] and there[1].tolist() == [True, True, False, False, False]


def test_synchrony_prefers_what_is_in_time_and_teaches_what_is_apart():
    """A sinusoid with itself scores above its shifts; negatives whose cosine is negative still have a gradient."""
    angle = torch.linspace(0, 12, 60)
    x = torch.stack([angle.cos(), angle.sin()], -1)[None]
    mask = torch.ones(1, 60, dtype=torch.bool)
    scores = [float(agreement(x, *shifted(x, mask, torch.tensor([own]))[:1], mask)) for own in range(-10, 11)]
    assert max(range(21), key=lambda own: scores[own]) == 10 and scores[10] == pytest.approx(1)
    y = (-x).clone().requires_grad_()
    synchrony_loss(x, y, mask, torch.tensor(5.0), torch.tensor(0.0), torch.tensor([9])).backward()
    assert float(y.grad.abs().sum()) > 0


def test_synchrony_is_its_terms_written_out_and_padding_changes_nothing():
    x, y, scale, bias = units(2, 6, 4), units(2, 6, 4, seed=1), torch.tensor(3.0), torch.tensor(-0.5)
    mask, steps = torch.ones(2, 6, dtype=torch.bool), torch.tensor([2, -1])
    terms = []
    for clip, step in enumerate(steps.tolist()):
        frames = range(6)
        scores = [
            ([float(x[clip, t] @ y[clip, t]) for t in frames], 1),
            ([float(x[clip, t] @ y[clip, t - step]) for t in frames if 0 <= t - step < 6], 0),
            ([float(x[clip, t] @ y[1 - clip, t]) for t in frames], 0),
        ]
        for own, target in scores:
            chance = 1 / (1 + math.exp(-(3 * sum(own) / len(own) - 0.5)))
            terms.append(-math.log(chance if target else 1 - chance))
    found = float(synchrony_loss(x, y, mask, scale, bias, steps))
    assert found == pytest.approx(sum(terms) / 6, rel=1e-5)
    padded = [F.pad(own, (0, 0, 0, 3), value=7.0) for own in (x, y)]
    longer = F.pad(mask, (0, 3))
    assert float(synchrony_loss(*padded, longer, scale, bias, steps)) == pytest.approx(found, rel=1e-5)


def test_warping_is_the_cheapest_of_all_paths():
    cost = np.random.default_rng(0).random((4, 3))

    def paths(i, j):
        if (i, j) == (0, 0):
            yield [(0, 0)]
        for a, b in ((i - 1, j - 1), (i - 1, j), (i, j - 1)):
            if a >= 0 and b >= 0:
                yield from ([*own, (i, j)] for own in paths(a, b))

    total = lambda path: sum(cost[place] for place in path)  # noqa: E731
    assert total(warp(cost)) == pytest.approx(min(map(total, paths(3, 2))))
    slow = units(5, 8)
    video, sound = warped_pairs(slow, slow.repeat_interleave(2, 0))
    assert torch.equal(video, sound)


def test_another_recording_is_laid_on_the_lips_and_padding_stays():
    """Sound that begins late and is held: each frame of the lips gets its own frame of the sound."""
    see = units(2, 8, 16)
    order = torch.tensor([0, 0, 1, 2, 3, 4, 5, 7])
    hear = torch.stack([see[0][order], see[1]])
    mask = torch.ones(2, 8, dtype=torch.bool)
    mask[1, 5:] = False
    found = aligned_to_lips(see, hear, mask)
    assert torch.equal(found[0, [0, 1, 2, 3, 4, 5, 7]], see[0, [0, 1, 2, 3, 4, 5, 7]]) and torch.equal(found[1], see[1])


SMALL = {"width": 8, "layers": 1, "dropout": 0.0}


def fusion(**given):
    torch.manual_seed(0)
    return FUSIONS["contrast"](**SMALL, **given).build(12).eval()


def test_the_fusion_gives_what_its_inner_one_gives():
    made = fusion()
    video, sound, mask = torch.randn(2, 5, 12), torch.randn(2, 5, 12), torch.ones(2, 5, dtype=torch.bool)
    assert torch.equal(made(video, sound, mask)[0], made.inner(video, sound, mask)[0])
    see, _ = made.pair(video, sound, mask)
    alone, _ = made.pair(video[:1, :4], sound[:1, :4], mask[:1, :4])
    short = mask.clone()
    short[0, 4:] = False
    beside, _ = made.pair(video, sound, short)
    assert torch.allclose(beside[0, :4], alone[0], atol=1e-5) and torch.allclose(see.norm(dim=-1), torch.ones(2, 5))


def test_losses_have_weights_and_a_weight_of_nothing_is_no_loss():
    video, sound, mask = torch.randn(2, 30, 12), torch.randn(2, 30, 12), torch.ones(2, 30, dtype=torch.bool)
    labels = torch.arange(60).view(2, 30) % 4 - 1
    for own in itertools.product((0.0, 1.0), repeat=3):
        given = dict(zip(("synchrony", "cross", "supervised"), own, strict=True))
        found = contrast_losses(fusion(**given), video, sound, mask, labels)
        assert set(found) == {name for name, weight in given.items() if weight}


@pytest.mark.parametrize("given, told", [
    ({"shift": (0, 3)}, "shift"), ({"tau": 0.0}, "tau"), ({"inner": "contrast"}, "must join features"),
    ({"inner": "word_evidence"}, "must join features"),
])  # fmt: skip
def test_settings_that_make_no_sense_are_refused(given, told):
    with pytest.raises(ValueError, match=told):
        fusion(**given)


def reader(fusion):
    """A tiny reader of lips and sound."""
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
    there = {"video": torch.tensor([True, True]), "sound": torch.tensor(present)}
    targets = {"tokens": torch.tensor([[2, 3], [3, 4]])}
    return Batch(inputs, torch.tensor([30, 30]), targets, ["a", "b"], present=there)


def test_the_objective_adds_to_the_hybrid_loss_and_trains_the_embeddings():
    from vsr.objectives.ctc_attention import ctc_attention

    model, batch = reader({"kind": "contrast", **SMALL, "cross": 0.5}), both_streams()
    plain = ctc_attention(model, batch)["loss"]
    found = contrast(model, batch)
    added = float(found["synchrony"]) + 0.5 * float(found["cross"])
    assert float(found["loss"]) == pytest.approx(float(plain) + added, rel=1e-4)
    found["loss"].backward()
    assert all(own.grad is not None and float(own.grad.abs().sum()) for own in fusion_of(model).see.parameters())


def test_clips_without_sound_are_no_part_of_the_contrast():
    model = reader({"kind": "contrast", **SMALL, "cross": 1.0})
    assert "cross" not in contrast(model, both_streams((False, False)))
    assert "cross" in contrast(model, both_streams((True, False)))


def test_a_part_of_a_step_without_sound_has_the_gradients_of_the_others():
    """They are 0; the other ranks wait for them."""
    model = reader({"kind": "contrast", **SMALL, "cross": 1.0}).train()
    batch = both_streams((False, False))
    batch.shares = {"clips": torch.tensor(1.0)}
    found = contrast(model, batch)
    found["loss"].backward()
    assert found["cross"] == found["synchrony"] == 0
    assert all(own.grad is not None for own in model.frontend.fusion.parameters())


def test_a_reader_without_this_fusion_is_refused():
    with pytest.raises(VsrError, match="the fusion contrast"):
        contrast(reader("concat"), both_streams())
