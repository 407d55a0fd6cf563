"""Sound and audio-visual readers of auto_avsr and Imperial's zoo compute what the real peers computed."""

import json
from pathlib import Path

import pytest
import torch

from tests.published.agreement import assert_every_stage, gap, inputs_of, states_beside_a_longer_clip
from tests.published.formula import sound, video, weights
from vsr.core.errors import VsrError
from vsr.models.resnet1d import normalised_waves
from vsr.models.streams import Streams
from vsr.modelstore.importers import auto_avsr_streams, vsr4ml

GOLDEN = Path(__file__).parent / "golden"
READS = {"auto_avsr_sound": "sound", "auto_avsr_both": ("video", "sound"), "vsr4ml_both": ("video", "sound")}


def build(golden):
    tensors = weights(golden["shapes"])
    return vsr4ml.build(tensors, golden["settings"]) if "settings" in golden else auto_avsr_streams.build(tensors)


@pytest.fixture(scope="module", params=READS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def golden(kind):
    """Names and shapes of the peer's tensors, and its outputs (made by `golden_auto_avsr_streams.py`)."""
    return json.loads((GOLDEN / f"{kind}.json").read_text())


@pytest.fixture(scope="module")
def model(golden):
    return build(golden)


@pytest.mark.parametrize("index", range(3))
def test_every_stage_agrees_with_the_peer(golden, model, index):
    assert_every_stage(model, golden["records"][index])


def test_model_reads_its_modality(kind, model):
    assert model.modality == READS[kind] and model.sound_form == "wave"


def test_clip_beside_a_longer_one_is_read_the_same(golden, model):
    assert not states_beside_a_longer_clip(model, golden["records"])[1, 4:].any()


def test_foreign_and_missing_tensors_are_named(golden):
    shapes, lacking = golden["shapes"], "encoder.encoders.1.norm_ff.bias"
    with pytest.raises(VsrError, match="'encoder.odd', which this family"):
        build(golden | {"shapes": shapes | {"encoder.odd": [3]}})
    with pytest.raises(VsrError, match=f"lacks '{lacking}'"):
        build(golden | {"shapes": {name: shape for name, shape in shapes.items() if name != lacking}})


@torch.no_grad()
def test_level_and_offset_of_the_wave_do_not_matter(kind, golden, model):
    record = golden["records"][2]
    shifted = inputs_of(model, 9)
    if kind == "auto_avsr_sound":
        shifted = 0.1 * shifted + 0.3
    else:
        shifted = Streams({"video": video(9), "sound": 0.1 * sound(9) + 0.3})
    assert gap(model.encode(shifted, torch.tensor([9]))[0], record["states"]) < 1e-3


def test_silent_clip_stays_silent():
    assert not normalised_waves(torch.zeros(1, 3, 640), torch.ones(1, 3, dtype=torch.bool)).any()


@torch.no_grad()
def test_lips_and_sound_matter_and_neither_may_be_missing():
    golden = json.loads((GOLDEN / "auto_avsr_both.json").read_text())
    model, length = auto_avsr_streams.build(weights(golden["shapes"])), torch.tensor([9])
    expected = golden["records"][2]["states"]
    for streams in ({"video": video(9), "sound": sound(9).flip(1)}, {"video": video(9).flip(1), "sound": sound(9)}):
        assert gap(model.encode(Streams(streams), length)[0], expected) > 1e-2
    for alone in (video(9), Streams({"sound": sound(9)}), Streams({"video": video(9), "sound": sound(9)},
                                                                  {"sound": torch.tensor([False])})):  # fmt: skip
        with pytest.raises(VsrError, match="lips and sound together alone"):
            model.encode(alone, length)


@pytest.mark.parametrize("name, value", [("relu_type", "prelu"), ("transformer_encoder_attn_layer_type", "mha")])
def test_settings_of_the_sound_encoder_are_checked(name, value):
    golden = json.loads((GOLDEN / "vsr4ml_both.json").read_text())
    with pytest.raises(VsrError, match=f"'{value}'"):
        vsr4ml.build(weights(golden["shapes"]), golden["settings"] | {f"aux_{name}": value})
