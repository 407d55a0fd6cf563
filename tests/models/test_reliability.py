"""Scores of streams: between 0 and 1, added to what they score, and untouched by padding."""

import pytest
import torch

from vsr.data.modalities import SOUND, VIDEO
from vsr.models.registry import FUSIONS, settings_of

KINDS = {"relscore": {VIDEO, SOUND}, "vcafe": {SOUND}}


def fused(kind, dim=16):
    torch.manual_seed(0)
    return settings_of(FUSIONS, kind, {}).build(dim).eval()


def features(clips=2, frames=9, dim=16):
    rng = torch.Generator().manual_seed(1)
    return tuple(torch.randn(clips, frames, dim, generator=rng) * 3 for _ in range(2))


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_scores_lie_between_0_and_1_for_each_frame(kind):
    video, sound = features()
    mask = torch.ones(2, 9, dtype=torch.bool)
    _, scores = fused(kind)(video, sound, mask)
    assert scores.keys() == KINDS[kind]
    assert all(own.shape == (2, 9) and own.min() > 0 and own.max() < 1 for own in scores.values())


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_a_score_of_nothing_leaves_a_stream_as_it_is(kind):
    video, sound = features()
    mask, fusion = torch.ones(2, 9, dtype=torch.bool), fused(kind)
    plain = fusion.out(torch.cat([video, sound], -1))
    assert not torch.allclose(fusion(video, sound, mask)[0], plain, atol=1e-2)
    last = [own.convolutions[-1] for own in fusion.scores.values()] if kind == "relscore" else [fusion.second]
    for layer in last:
        layer.weight.zero_()
        layer.bias.fill_(-1e4)
    torch.testing.assert_close(fusion(video, sound, mask)[0], plain)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_no_score(kind):
    video, sound = features()
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[1, 5:] = False
    video[1, 5:], sound[1, 5:] = 100.0, -100.0
    _, together = fused(kind)(video, sound, mask)
    _, alone = fused(kind)(video[1:, :5], sound[1:, :5], mask[1:, :5])
    for name, own in alone.items():
        torch.testing.assert_close(together[name][1:, :5], own)


@torch.no_grad()
def test_vcafe_scores_sound_by_what_is_seen():
    video, sound = features()
    mask, fusion = torch.ones(2, 9, dtype=torch.bool), fused("vcafe")
    one, other = (fusion(own, sound, mask)[1][SOUND] for own in (video, video.flip(0)))
    assert not torch.allclose(one, other, atol=1e-4)
