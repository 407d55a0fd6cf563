"""TCN, DC-TCN and TD3: padding changes nothing, the published sizes, no blind spots."""

import pytest
import torch

from vsr.models.lengths import length_mask
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.registry import ENCODERS
from vsr.models.tcn import DenseTCNSettings, TCNSettings
from vsr.models.td3 import TD2Block, TD3Settings
from vsr.models.temporal_convolution import ConvUnit
from vsr.training.dry_run import parameters

DIM = 8
TINY = {
    "td3": {"growth": 2, "blocks": [2, 3]},
    "tcn": {"width": 6, "layers": 2},
    "dctcn": {"growth": 6, "reduced": 16, "blocks": [2, 2]},
}


@pytest.fixture(params=TINY)
def encoder(request):
    torch.manual_seed(0)
    module_under_test = ENCODERS[request.param](**TINY[request.param]).build(DIM).double().eval()
    for module in module_under_test.modules():  # statistics other than 0 and 1, which would hide that padding is read
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.uniform_(-1, 1), module.running_var.uniform_(0.5, 2), module.bias.data.uniform_(-1, 1)
    return module_under_test


def features(clips, frames):
    return torch.randn(clips, frames, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(frames))


@torch.no_grad()
@pytest.mark.parametrize("length", [1, 5, 16])
def test_clip_gives_the_same_alone_and_beside_a_longer_one(encoder, length):
    both, lengths = features(2, 16), torch.tensor([16, length])
    both[1, length:] = 9.0  # the padding is never read
    together = encoder(both, length_mask(lengths, 16))
    alone = encoder(both[1:, :length], length_mask(lengths[1:], length))
    torch.testing.assert_close(together[1:, :length], alone, atol=1e-12, rtol=1e-10)
    assert not together[1, length:].any()
    assert together[0].any() and alone.any()


def test_training_is_the_same_with_more_padding(encoder):
    """Statistics are of real frames only: gradients and running means are those of a batch with less padding."""
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    short, lengths, results = features(3, 9), torch.tensor([9, 4, 6]), []
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    for frames in (9, 14):
        encoder.load_state_dict(state)
        encoder.train().zero_grad()
        padded = torch.full((3, frames, DIM), 5.0, dtype=torch.float64)
        padded[:, :9] = short
        encoder(padded, length_mask(lengths, frames)).square().sum().backward()
        results.append(
            [tensor.grad.clone() for tensor in encoder.parameters()] + [tensor.clone() for tensor in encoder.buffers()]
        )
    for less, more in zip(*results, strict=True):
        torch.testing.assert_close(less, more, atol=1e-9, rtol=1e-9)


def test_batch_with_and_without_padding_has_the_same_statistics():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 7)
    whole, gathered = ConvUnit(3, 4, 3), ConvUnit(3, 4, 3)
    gathered.load_state_dict(whole.state_dict())
    padded = torch.cat([x, torch.zeros(2, 3, 2)], 2)
    unpadded = whole(x, torch.ones(2, 7, dtype=torch.bool))
    from_padded = gathered(padded, length_mask(torch.tensor([7, 7]), 9))
    torch.testing.assert_close(unpadded, from_padded[..., :7], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(whole.norm.running_var, gathered.norm.running_var)


@pytest.mark.parametrize("growth, num_parameters, widths", [
    (36, 18_689_037, [706, 803, 851, 1751]), (48, 31_888_204, [856, 1028, 1114, 2314]),
])  # fmt: skip
def test_td3_has_the_published_sizes(growth, num_parameters, widths):
    with torch.device("meta"):
        model = TD3Settings(growth=growth).build(512)
    assert [part.width for part in model.parts] == widths
    assert parameters(model) - parameters(model.out) == num_parameters


def test_tcns_have_the_published_sizes():
    """Origin: counted in this code, whose widths, kernels and blocks are the published ones."""
    with torch.device("meta"):
        plain, dense = TCNSettings().build(512), DenseTCNSettings().build(512)
    assert parameters(plain) - parameters(plain.out) == 24_797_184
    assert parameters(dense) - parameters(dense.out) == 40_558_304


def receptive_field(module, frames=81):
    """Frames of the input on which the middle of each output channel depends, (C, T) bool; all weights positive."""
    for parameter in module.parameters():
        parameter.data.abs_().clamp_(min=0.1)
    x = torch.rand(1, 4, frames, dtype=torch.float64, requires_grad=True)
    output = module(x)
    rows = [torch.autograd.grad(output[0, c, frames // 2], x, retain_graph=True)[0][0] for c in range(output.shape[1])]
    return torch.stack(rows).abs().sum(1) > 0


def test_no_group_of_td3_has_a_blind_spot():
    torch.manual_seed(0)
    block, mask = TD2Block(4, 1, 0.0).double().eval(), torch.ones(1, 81, dtype=torch.bool)
    fields = receptive_field(with_parameters_of(block, lambda x: block.groups(x, mask)))
    for group, row in enumerate(fields):
        reach = 2 ** (group + 1) - 1  # 1 + 2 + 4 + ... on either side
        frames = row.nonzero()[:, 0]
        assert frames.tolist() == list(range(40 - reach, 40 + reach + 1))


def test_dilated_kernel_on_the_input_has_blind_spots():
    torch.manual_seed(0)
    unit, mask = ConvUnit(4, 1, 3, dilation=8).double().eval(), torch.ones(1, 81, dtype=torch.bool)
    assert receptive_field(with_parameters_of(unit, lambda x: unit(x, mask)))[0].nonzero()[:, 0].tolist() == [
        32,
        40,
        48,
    ]


def with_parameters_of(module, call):
    """The function, with the parameters of a module."""
    call.parameters = module.parameters
    return call


@pytest.mark.parametrize("kind, setting, message", [
    ("td3", {"growth": 0}, "growth"), ("td3", {"blocks": []}, "blocks"), ("tcn", {"kernels": [2]}, "odd"),
    ("tcn", {"width": 7, "kernels": [3, 5]}, "multiple"), ("dctcn", {"activation": "tan"}, "prelu"),
    ("dctcn", {"reduced": 8}, "squeeze"), ("tcn", {"dropout": 1.0}, "dropout"),
])  # fmt: skip
def test_refuses_impossible_sizes(kind, setting, message):
    with pytest.raises(ValueError, match=message):
        ENCODERS[kind](**setting)


@pytest.mark.parametrize("kind", TINY)
def test_word_model_takes_each_encoder(kind):
    sizes = {"dim": 16, "heads": 2, "frontend_width": 8, "frontend_layers": 1, "frontend_heads": 2}
    alone = {"ctc_weight": 0.0, "alignment_weight": 0.0, "decoder_layers": 0, "classes": 3}
    encoder = {"encoder": kind, "encoder_settings": TINY[kind]}
    model = LipReader(LipReaderConfig(vocab_size=6, **sizes, **alone, **encoder)).eval()
    with torch.no_grad():
        states = model.encode(torch.randn(1, 13, 1, 88, 88), torch.tensor([13]))
    assert states.shape == (1, 13, 16)
