"""Reliability scores of streams: between 0 and 1, added to what they score, and unaffected by padding."""

import pytest
import torch

from vsr.data.modalities import SOUND, VIDEO
from vsr.models.registry import FUSIONS, settings_of

KINDS = {"relscore": {VIDEO, SOUND}, "vcafe": {SOUND}}


def build_fusion(kind, dim=16):
    torch.manual_seed(0)
    return settings_of(FUSIONS, kind, {}).build(dim).eval()


def features(clips=2, frames=9, dim=16):
    rng = torch.Generator().manual_seed(1)
    return tuple(torch.randn(clips, frames, dim, generator=rng) * 3 for _ in range(2))


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_between_0_and_1_for_each_frame(kind):
    video, sound = features()
    mask = torch.ones(2, 9, dtype=torch.bool)
    _, scores = build_fusion(kind)(video, sound, mask)
    assert scores.keys() == KINDS[kind]
    assert all(score.shape == (2, 9) and score.min() > 0 and score.max() < 1 for score in scores.values())


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_score_of_0_leaves_a_stream_unchanged(kind):
    video, sound = features()
    mask, fusion = torch.ones(2, 9, dtype=torch.bool), build_fusion(kind)
    expected = fusion.out(torch.cat([video, sound], -1))
    assert not torch.allclose(fusion(video, sound, mask)[0], expected, atol=1e-2)
    last = [scorer.convolutions[-1] for scorer in fusion.scores.values()] if kind == "relscore" else [fusion.second]
    for layer in last:
        layer.weight.zero_()
        layer.bias.fill_(-1e4)
    torch.testing.assert_close(fusion(video, sound, mask)[0], expected)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_no_score(kind):
    video, sound = features()
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[1, 5:] = False
    video[1, 5:], sound[1, 5:] = 100.0, -100.0
    _, together = build_fusion(kind)(video, sound, mask)
    _, alone = build_fusion(kind)(video[1:, :5], sound[1:, :5], mask[1:, :5])
    for name, score in alone.items():
        torch.testing.assert_close(together[name][1:, :5], score)


@torch.no_grad()
def test_vcafe_scores_sound_by_the_lips():
    video, sound = features()
    mask, fusion = torch.ones(2, 9, dtype=torch.bool), build_fusion("vcafe")
    first, second = (fusion(lips, sound, mask)[1][SOUND] for lips in (video, video.flip(0)))
    assert not torch.allclose(first, second, atol=1e-4)
