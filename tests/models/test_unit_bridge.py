"""LMDecoder's bridge: certain posteriors equal given units, and each language has a memory of its own."""

import pytest
import torch

from vsr.models.lengths import length_mask
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.unit_bridge import UnitBridgeSettings, UnitFrontendSettings

INNER = {
    "video": {"kind": "video_transformer", "width": 8, "layers": 1, "heads": 2},
    "encoder": {"kind": "conformer", "layers": 1, "heads": 2, "hidden": 16, "kernel": 3}, "dim": 16, "size": 5,
}  # fmt: skip


@pytest.fixture
def halves():
    """The front end of given units and the bridge, with one embedding."""
    torch.manual_seed(0)
    unit_front_end, bridge = UnitFrontendSettings(size=5).build(12).eval(), UnitBridgeSettings(**INNER).build(12).eval()
    bridge.embed.load_state_dict(unit_front_end.embed.state_dict())
    return unit_front_end, bridge


@torch.no_grad()
def test_certain_posteriors_equal_the_units(halves, monkeypatch):
    unit_front_end, bridge = halves
    units, mask = torch.randint(0, 5, (2, 7, 2)), length_mask(torch.tensor([7, 4]), 7)
    one_hot = torch.nn.functional.one_hot(units, 5).float()
    monkeypatch.setattr(bridge, "shares", lambda video, mask_given: one_hot)
    video = torch.zeros(2, 7, 1, 88, 88)
    assert torch.equal(unit_front_end(units, mask), bridge(video, mask))
    assert not unit_front_end(units, mask)[1, 4:].any()


@torch.no_grad()
def test_bridge_gives_the_mean_over_possible_units(halves):
    unit_front_end, bridge = halves
    video, mask = torch.randn(1, 6, 1, 88, 88), torch.ones(1, 6, dtype=torch.bool)
    shares = bridge.shares(video, mask)
    assert shares.shape == (1, 6, 2, 5)
    torch.testing.assert_close(shares.sum(-1), torch.ones(1, 6, 2))
    mean = torch.zeros(1, 6, 12)
    for first in range(5):
        for second in range(5):
            weight = shares[..., 0, first] * shares[..., 1, second]
            mean += weight[..., None] * unit_front_end(torch.tensor([first, second]).expand(1, 6, 2), mask)
    torch.testing.assert_close(bridge(video, mask), mean, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_clip_gives_the_same_alone_and_beside_a_longer_one(halves):
    _, bridge = halves
    video, lengths = torch.randn(2, 8, 1, 88, 88), torch.tensor([8, 5])
    mask = length_mask(lengths, 8)
    both = bridge(video * mask[..., None, None, None], mask)
    torch.testing.assert_close(both[1:, :5], bridge(video[1:, :5], mask[1:, :5]), atol=1e-5, rtol=1e-4)
    assert not both[1, 5:].any()


def test_memory_of_another_language_is_never_read():
    """The values of another language's model do not change the states of this one."""
    torch.manual_seed(0)
    memory = {"kind": "memory", "slots": 6, "width": 4, "heads": 2, "key_dim": 4}
    sizes = {"dim": 16, "heads": 2, "hidden": 32, "layers": 1, "decoder_layers": 1, "decoder_hidden": 32}
    model_settings = {"frontend": "units", "frontend_settings": {"size": 5}, "encoder": "memory"}
    encoder_settings = {"encoder_settings": {name: value for name, value in memory.items() if name != "kind"}}
    spanish, french = (
        LipReader(LipReaderConfig(12, **sizes, **model_settings, **encoder_settings)).eval() for _ in range(2)
    )
    french.load_state_dict(spanish.state_dict())
    with torch.no_grad():
        for model in (spanish, french):
            model.encoder.gate.fill_(1.0)
        french.encoder.memory.values.add_(1.0)
        units, lengths = torch.randint(0, 5, (1, 7, 2)), torch.tensor([7])
        before = spanish.encode(units, lengths)
        assert not torch.equal(before, french.encode(units, lengths))
        french.encoder.memory.values.zero_()
        assert torch.equal(before, spanish.encode(units, lengths))


@pytest.mark.parametrize("setting, message", [
    ({"video": "units"}, "does not read video"), ({"video": {"kind": "mirror"}}, "mirror"), ({"size": 0}, "size"),
    ({"encoder": {"kind": "conformer", "depth": 3}}, "depth"),
])  # fmt: skip
def test_refuses_impossible_settings(setting, message):
    with pytest.raises(ValueError, match=message):
        UnitBridgeSettings(**INNER | setting)
