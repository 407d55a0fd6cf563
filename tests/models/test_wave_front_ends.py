"""Front ends of the wave, encoded streams, and their fusion: padding counts for nothing, settings are checked."""

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
from vsr.modelstore.nested_settings import nested, unnested

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
def test_a_clip_beside_longer_ones_gives_what_it_gives_alone(front):
    front.eval()
    mask = length_mask(LENGTHS, 7)
    batch = front(waves(0.0), mask)
    assert batch.shape == (3, 7, 8) and not batch[~mask].any()
    for row, length in enumerate(LENGTHS.tolist()):
        alone = front(waves(0.0)[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(batch[row, :length], alone[0], atol=1e-5, rtol=1e-4)


def test_in_training_more_padding_changes_no_statistics_and_every_parameter_learns(front):
    front.train()
    mask = length_mask(LENGTHS, 7)
    first = front(waves(0.0), mask)
    longer = front(nn.functional.pad(waves(0.0), (0, 0, 0, 4)), nn.functional.pad(mask, (0, 4)))
    torch.testing.assert_close(first, longer[:, :7], atol=1e-4, rtol=1e-3)
    (first * torch.randn_like(first)).sum().backward()
    # a shift before a batch normalisation, or of all keys before a softmax, changes nothing
    idle = [name for name, own in front.named_parameters() if own.grad is None]
    assert not idle


def test_it_says_what_it_reads(front):
    for name, settings in KINDS.items():
        made = settings_of(FRONTENDS, name.split(" ")[0], settings)
        assert (made.reads, made.form) == (SOUND, WAVE)
    assert EncodedSettings("resnet3d", "conformer").reads == VIDEO


@torch.no_grad()
def test_a_louder_wave_is_the_same_to_those_that_normalise():
    mask, found = length_mask(LENGTHS, 7), {}
    for even in (True, False):
        torch.manual_seed(0)
        module = ResNet1DSettings(**SMALL, normalise=even).build(8).eval()
        found[even] = (module(3 * waves(0.0), mask) - module(waves(0.0), mask)).abs().max().item()
    assert found[True] < 1e-5 and found[False] > 1e-4


def test_a_config_of_both_streams_encoded_is_stored_and_built_again():
    streams = {
        "video": {"kind": "encoded", "frontend": {"kind": "resnet3d", "width": 2, "blocks": [1, 1, 1, 1]},
                  "encoder": CONFORMER},
        "sound": {"kind": "encoded", "frontend": {"kind": "resnet1d", **SMALL}, "encoder": CONFORMER},
    }  # fmt: skip
    config = LipReaderConfig(
        9, frontend="audio_visual", encoder="identity", dim=8, heads=2, decoder_layers=1, decoder_hidden=8,
        frontend_settings={**streams, "fusion": {"kind": "mlp", "hidden": 5, "norm": "layer"}, "whole": True},
    )  # fmt: skip
    again = unnested(json.loads(json.dumps(nested(config))))
    first, second = LipReader(config), LipReader(again)
    assert {n: t.shape for n, t in first.state_dict().items()} == {n: t.shape for n, t in second.state_dict().items()}
    assert second.whole and second.sound_form == WAVE and second.modality == (VIDEO, SOUND)


@torch.no_grad()
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_the_fusion_sees_no_padding(norm):
    torch.manual_seed(0)
    fusion, mask = MLPFusionSettings(6, norm).build(4), length_mask(LENGTHS, 7)
    video, sound = torch.randn(3, 7, 4), torch.randn(3, 7, 4)
    first = fusion(video, sound, mask)[0]
    spoilt = torch.where(mask[..., None], video, torch.full_like(video, 9.0))
    torch.testing.assert_close(fusion(spoilt, sound, mask)[0], first)
    assert not first[~mask].any() and (fusion(video, sound.flip(0), mask)[0] - first)[mask].abs().max() > 1e-3


@pytest.mark.parametrize(
    "kind, settings, printed",
    [
        ("resnet1d", {"blocks": [2, 2]}, "each of 4 stages"),
        ("resnet1d", {"width": 0}, "width"),
        ("resnet1d", {"activation": "gelu"}, "activation is 'gelu'"),
        ("encoded", {"frontend": "mirror"}, "mirror"),
        ("encoded", {"encoder": {"kind": "conformer", "depth": 3}}, "depth"),
        ("filter_bank", {"bands": 3}, "bands"),
    ],
)
def test_settings_that_make_no_front_end_are_named(kind, settings, printed):
    with pytest.raises(ValueError, match=printed):
        settings_of(FRONTENDS, kind, settings)


@pytest.mark.parametrize("own", [{"norm": "group"}, {"hidden": 0}])
def test_settings_of_the_fusion_are_checked(own):
    with pytest.raises(ValueError, match=next(iter(own))):
        MLPFusionSettings(**own)


def test_settings_are_plain_and_whole():
    made = EncodedSettings("resnet1d", "conformer")
    assert EncodedSettings(**dataclasses.asdict(made)) == made and made.frontend["width"] == 64
