"""Relative positions agree with their definition; tubelets cut where they should."""

import torch

from vsr.models.attention import RelativeAttention, shift_to_absolute
from vsr.models.lengths import sinusoid
from vsr.models.video_transformer import Tubelets, cosine_basis


def test_shift_reads_the_score_of_each_distance():
    length = 5
    distances = torch.arange(length - 1, -length, -1.0).expand(1, 1, length, -1)
    i = torch.arange(length)
    assert torch.equal(shift_to_absolute(distances)[0, 0], (i[:, None] - i[None, :]).float())


@torch.no_grad()
def test_relative_attention_equals_its_definition():
    torch.manual_seed(0)
    attention = RelativeAttention(8, 2)
    for bias in (attention.content_bias, attention.position_bias):
        torch.nn.init.normal_(bias)
    x = torch.randn(1, 6, 8)
    query, (key, value) = attention.split(attention.query(x)), attention.keys_values(x)
    expected = torch.zeros(1, 2, 6, 4)
    for h in range(2):
        for i in range(6):
            code = attention.position(sinusoid(torch.tensor([i - j for j in range(6)]), 8))[:, 4 * h : 4 * h + 4]
            content = (query[0, h, i] + attention.content_bias[h, 0]) @ key[0, h].T
            position_score = (query[0, h, i] + attention.position_bias[h, 0]) @ code.T
            expected[0, h, i] = ((content + position_score) / 2).softmax(-1) @ value[0, h]
    expected = attention.out(expected.transpose(1, 2).flatten(2))
    actual = attention(x, torch.ones(1, 1, 1, 6, dtype=torch.bool))
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_tubelets_cut_the_right_patches():
    tubelets = Tubelets(width=4, frames=3, patch=11, downscale=2)
    clip = torch.zeros(1, 5, 1, 88, 88)
    clip[0, 2, 0, 22:44, 44:66] = 1.0  # second row, third column of the 4 x 4 patches
    change = tubelets.cut(clip).abs().sum(-1)[0]
    assert change.nonzero().tolist() == [[1, 6], [2, 6], [3, 6]]


def test_cosine_basis_is_orthogonal():
    basis = torch.nn.functional.normalize(cosine_basis(40, 5, 11), dim=1)
    torch.testing.assert_close(basis @ basis.T, torch.eye(40), atol=1e-5, rtol=0)
