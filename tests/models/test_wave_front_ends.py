"""Front ends of the waveform, encoded streams and their fusion: padding has no effect, settings are checked."""

import dataclasses
import json

import pytest
import torch
from torch import nn

from vsr.data.modalities import SOUND, VIDEO, WAVE
from vsr.models.encoded_streams import EncodedSettings, MLPFusionSettings
from vsr.models.lengths import length_mask
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.registry import FRONTENDS, settings_of
from vsr.models.resnet1d import ResNet1DSettings
from vsr.modelstore.nested_settings import from_nested, to_nested

LENGTHS = torch.tensor([7, 3, 1])
SMALL = {"width": 4, "blocks": [1, 2, 1, 1]}
CONFORMER = {"kind": "conformer", "layers": 1, "heads": 2, "hidden": 12, "kernel": 3, "dropout": 0.0}
KINDS = {
    "resnet1d": SMALL,
    "resnet1d as it is": SMALL | {"normalise": False, "activation": "prelu"},
    "filter_bank": {},
    "encoded": {"frontend": {"kind": "resnet1d", **SMALL}, "encoder": CONFORMER},
}


@pytest.fixture(params=KINDS)
def front(request):
    torch.manual_seed(0)
    module = settings_of(FRONTENDS, request.param.split(" ")[0], KINDS[request.param]).build(8)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.5, 2)
    return module


def waves(padding):
    sound = torch.full((3, 7, 640), padding)
    for row, length in enumerate(LENGTHS.tolist()):
        sound[row, :length] = 0.3 * torch.randn(length, 640, generator=torch.Generator().manual_seed(row))
    return sound


@torch.no_grad()
def test_clip_gives_the_same_alone_and_beside_longer_ones(front):
    front.eval()
    mask = length_mask(LENGTHS, 7)
    batch = front(waves(0.0), mask)
    assert batch.shape == (3, 7, 8) and not batch[~mask].any()
    for row, length in enumerate(LENGTHS.tolist()):
        alone = front(waves(0.0)[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(batch[row, :length], alone[0], atol=1e-5, rtol=1e-4)


def test_padding_changes_no_statistics_and_every_parameter_has_a_gradient(front):
    front.train()
    mask = length_mask(LENGTHS, 7)
    first = front(waves(0.0), mask)
    longer = front(nn.functional.pad(waves(0.0), (0, 0, 0, 4)), nn.functional.pad(mask, (0, 4)))
    torch.testing.assert_close(first, longer[:, :7], atol=1e-4, rtol=1e-3)
    (first * torch.randn_like(first)).sum().backward()
    # a shift before a batch normalisation, or of all keys before a softmax, changes nothing
    idle = [name for name, parameter in front.named_parameters() if parameter.grad is None]
    assert not idle


def test_settings_name_the_stream_and_form_that_is_read(front):
    for name, settings in KINDS.items():
        kind_settings = settings_of(FRONTENDS, name.split(" ")[0], settings)
        assert (kind_settings.reads, kind_settings.form) == (SOUND, WAVE)
    assert EncodedSettings("resnet3d", "conformer").reads == VIDEO


@torch.no_grad()
def test_louder_waveform_is_the_same_only_with_normalisation():
    mask, differences = length_mask(LENGTHS, 7), {}
    for normalise in (True, False):
        torch.manual_seed(0)
        module = ResNet1DSettings(**SMALL, normalise=normalise).build(8).eval()
        differences[normalise] = (module(3 * waves(0.0), mask) - module(waves(0.0), mask)).abs().max().item()
    assert differences[True] < 1e-5 and differences[False] > 1e-4


def test_config_of_encoded_streams_is_stored_and_built_again():
    streams = {
        "video": {"kind": "encoded", "frontend": {"kind": "resnet3d", "width": 2, "blocks": [1, 1, 1, 1]},
                  "encoder": CONFORMER},
        "sound": {"kind": "encoded", "frontend": {"kind": "resnet1d", **SMALL}, "encoder": CONFORMER},
    }  # fmt: skip
    config = LipReaderConfig(
        9, frontend="audio_visual", encoder="identity", dim=8, heads=2, decoder_layers=1, decoder_hidden=8,
        frontend_settings={**streams, "fusion": {"kind": "mlp", "hidden": 5, "norm": "layer"}, "whole": True},
    )  # fmt: skip
    reloaded = from_nested(json.loads(json.dumps(to_nested(config))))
    first, second = LipReader(config), LipReader(reloaded)
    assert {n: t.shape for n, t in first.state_dict().items()} == {n: t.shape for n, t in second.state_dict().items()}
    assert second.whole and second.sound_form == WAVE and second.modality == (VIDEO, SOUND)


@torch.no_grad()
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_fusion_ignores_padding(norm):
    torch.manual_seed(0)
    fusion, mask = MLPFusionSettings(6, norm).build(4), length_mask(LENGTHS, 7)
    video, sound = torch.randn(3, 7, 4), torch.randn(3, 7, 4)
    first = fusion(video, sound, mask)[0]
    with_other_padding = torch.where(mask[..., None], video, torch.full_like(video, 9.0))
    torch.testing.assert_close(fusion(with_other_padding, sound, mask)[0], first)
    assert not first[~mask].any() and (fusion(video, sound.flip(0), mask)[0] - first)[mask].abs().max() > 1e-3


@pytest.mark.parametrize(
    "kind, settings, message",
    [
        ("resnet1d", {"blocks": [2, 2]}, "each of 4 stages"),
        ("resnet1d", {"width": 0}, "width"),
        ("resnet1d", {"activation": "gelu"}, "activation is 'gelu'"),
        ("encoded", {"frontend": "mirror"}, "mirror"),
        ("encoded", {"encoder": {"kind": "conformer", "depth": 3}}, "depth"),
        ("filter_bank", {"bands": 3}, "bands"),
    ],
)
def test_refuses_impossible_front_end(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        settings_of(FRONTENDS, kind, settings)


@pytest.mark.parametrize("settings", [{"norm": "group"}, {"hidden": 0}])
def test_refuses_impossible_fusion(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        MLPFusionSettings(**settings)


def test_settings_become_plain_with_defaults():
    encoded = EncodedSettings("resnet1d", "conformer")
    assert EncodedSettings(**dataclasses.asdict(encoded)) == encoded and encoded.frontend["width"] == 64
