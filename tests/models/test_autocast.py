"""Under autocast in bf16, as a GPU trains by default: values that leave PyTorch, and masks that fit their scores."""

import pytest
import torch

from vsr.models.attention import RelativeAttention
from vsr.models.contrast import warped_pairs
from vsr.models.foundation import whisper_input

BFLOAT16 = torch.bfloat16


def test_warping_follows_the_same_path():
    torch.manual_seed(0)
    lips = torch.nn.functional.normalize(torch.randn(5, 16), dim=-1)
    with torch.autocast("cpu", BFLOAT16):
        pairs = warped_pairs(lips, lips.repeat_interleave(2, 0))
    assert torch.equal(*pairs)


def test_whisper_takes_a_rounded_wave():
    pytest.importorskip("transformers")
    wave = torch.sin(torch.arange(6400) / 9).to(BFLOAT16)
    assert torch.equal(whisper_input(wave, 80), whisper_input(wave.float(), 80))


def test_attention_masks_scores_of_less_precision_than_its_query():
    torch.manual_seed(0)
    attention, x = RelativeAttention(8, 2, 0.0).eval(), torch.randn(1, 4, 8)
    mask = torch.tensor([[[[True, True, True, False]]]])
    exact = attention(x, mask)
    attention.query.register_forward_hook(lambda *call: call[-1].float())  # as a layer of int8 gives it
    with torch.autocast("cpu", BFLOAT16):
        rounded = attention(x, mask)
    torch.testing.assert_close(rounded.float(), exact, atol=0.02, rtol=0.05)
