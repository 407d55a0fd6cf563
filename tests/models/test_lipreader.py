"""Properties of the lip reader: padding, batching, caching; then one golden loss for each front end."""

import pytest
import torch

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.targets import shift_tokens
from vsr.objectives.registry import objective_of

TINY = {"vocab_size": 11, "dim": 16, "heads": 2, "hidden": 24, "layers": 2, "kernel": 5, "decoder_layers": 2}
FRONTENDS = {
    "video_transformer": {"frontend_width": 8, "frontend_layers": 1, "frontend_heads": 2},
    "resnet3d": {"resnet_width": 4, "resnet_blocks": (1, 1, 1, 1)},
}


def ramp(model: LipReader) -> LipReader:
    """Set weights that need no seed: a slow cosine over each parameter, so that a golden number needs no file."""
    with torch.no_grad():
        for parameter in model.parameters():
            steps = torch.arange(parameter.numel(), dtype=torch.float64)
            parameter.copy_((0.3 * torch.cos(steps * 0.37 + parameter.dim())).view_as(parameter))
    return model


@pytest.fixture(params=FRONTENDS)
def model(request) -> LipReader:
    torch.manual_seed(0)
    config = LipReaderConfig(frontend=request.param, **TINY, **FRONTENDS[request.param])
    return LipReader(config).eval()


def video(batch: int, length: int) -> torch.Tensor:
    return torch.randn(batch, length, 1, 88, 88, generator=torch.Generator().manual_seed(length))


@torch.no_grad()
@pytest.mark.parametrize("length", [1, 2, 7, 12])
def test_clip_encodes_the_same_alone_and_beside_a_longer_one(model, length):
    both = video(2, 12)
    lengths = torch.tensor([12, length])
    together = model.encode(both, lengths)
    alone = model.encode(both[1:, :length], lengths[1:])
    torch.testing.assert_close(together[1:, :length], alone, atol=1e-5, rtol=1e-4)
    assert together[1, length:].abs().sum() == 0


@torch.no_grad()
def test_padding_is_never_read(model):
    clip = video(1, 9)
    dirty = clip.clone()
    dirty[:, 6:] = 100.0
    lengths = torch.tensor([6])
    torch.testing.assert_close(model.encode(clip, lengths), model.encode(dirty, lengths))


def test_training_statistics_ignore_padding(model):
    convolution = model.encoder.layers[0].convolution.train()
    x = torch.randn(1, 6, TINY["dim"])
    mask = torch.ones(1, 6, dtype=torch.bool)
    alone = convolution(x, mask)
    padded = convolution(torch.cat([x, torch.full((1, 4, TINY["dim"]), 9.0)], 1), torch.cat([mask, ~mask[:, :4]], 1))
    torch.testing.assert_close(alone, padded[:, :6])


@torch.no_grad()
def test_cached_steps_equal_the_whole_pass(model):
    lengths = torch.tensor([9, 5])
    states = model.encode(video(2, 9), lengths)
    tokens = torch.randint(1, 11, (2, 3, 20), generator=torch.Generator().manual_seed(1))
    cache = model.decoder.start(states, lengths)
    steps = torch.stack([model.decoder.step(tokens[..., i], cache) for i in range(20)], dim=2)
    whole = model.decoder(tokens.flatten(0, 1), states.repeat_interleave(3, 0), lengths.repeat_interleave(3))
    torch.testing.assert_close(steps.flatten(0, 1), whole.log_softmax(-1), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_cache_follows_reordering_and_selection(model):
    lengths = torch.tensor([8, 6])
    states = model.encode(video(2, 8), lengths)
    cache = model.decoder.start(states, lengths)
    model.decoder.step(torch.tensor([[10], [10]]), cache)
    cache.reorder(torch.zeros(2, 2, dtype=torch.long))  # one hypothesis becomes two
    model.decoder.step(torch.tensor([[3, 4], [5, 6]]), cache)
    cache.reorder(torch.tensor([[1, 1], [0, 1]]))
    cache.select(torch.tensor([1]))
    step = model.decoder.step(torch.tensor([[7, 8]]), cache)
    tokens = torch.tensor([[10, 5, 7], [10, 6, 8]])
    whole = model.decoder(tokens, states[1:].repeat(2, 1, 1), lengths[1:].repeat(2))
    torch.testing.assert_close(step[0], whole[:, -1].log_softmax(-1), atol=1e-5, rtol=1e-4)


def test_shifted_tokens_begin_and_end_with_eos():
    tokens_in, targets = shift_tokens(torch.tensor([[3, 4], [5, IGNORE]]), eos=9)
    assert tokens_in.tolist() == [[9, 3, 4], [9, 5, 9]]
    assert targets.tolist() == [[3, 4, 9], [5, 9, IGNORE]]


def test_unknown_front_end_is_named():
    with pytest.raises(ValueError, match="resnet3d"):
        LipReaderConfig(vocab_size=5, frontend="cnn")


# Origin: this code at 2026-11 with `ramp` weights, float32 on a CPU; a change means that the network changed.
GOLDEN = {"video_transformer": 4.27492, "resnet3d": 4.28316}


@torch.no_grad()
def test_golden_loss(model):
    ramp(model)
    targets = {
        "tokens": torch.tensor([[1, 2, 3], [4, 5, IGNORE]]), "frame_tokens": torch.arange(20).view(2, 10) % 12 - 1,
    }  # fmt: skip
    video = torch.linspace(-2, 2, 2 * 10 * 88 * 88).sin().view(2, 10, 1, 88, 88)
    batch = Batch({"video": video}, torch.tensor([10, 7]), targets, ["a", "b"])
    loss = objective_of(model.config)(model, batch)["loss"].item()
    assert loss == pytest.approx(GOLDEN[model.config.frontend], rel=1e-3)


@pytest.mark.parametrize("setting", [{"ctc_weight": 0.3}, {"alignment_weight": 0.5}, {"decoder_layers": 1}])
def test_encoder_alone_has_no_head(setting):
    alone = {"ctc_weight": 0.0, "alignment_weight": 0.0, "decoder_layers": 0}
    model = LipReader(LipReaderConfig(vocab_size=0, layers=1, **alone))
    assert (model.ctc, model.alignment, model.decoder) == (None, None, None)
    with pytest.raises(ValueError, match="vocabulary of 0"):
        LipReaderConfig(vocab_size=0, **(alone | setting))
