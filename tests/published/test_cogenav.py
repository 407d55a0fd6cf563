"""CoGenAV's encoder computes what the real peer computed from the same weights: by lips, sound and both."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.published.agreement import gap
from tests.published.formula import sound, video, weights
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.data.transforms import MEAN, STD
from vsr.models.cogenav import RawResNet3DSettings
from vsr.models.parts import ResNet3DSettings
from vsr.models.streams import Streams
from vsr.modelstore.folder import load_model
from vsr.modelstore.importers import cogenav

GOLDEN = json.loads((Path(__file__).parent / "golden" / "cogenav.json").read_text())
RECORDS = {"video": GOLDEN["records"], "sound": GOLDEN["sound"], "both": GOLDEN["both"]}


@pytest.fixture(scope="module")
def model():
    return cogenav.build(weights(GOLDEN["shapes"]), GOLDEN["head"])


def inputs_of(modality, frames):
    inputs = {"video": video(frames), "sound": sound(frames)}
    return Streams(inputs if modality == "both" else {modality: inputs[modality]})


@torch.no_grad()
@pytest.mark.parametrize("modality", RECORDS)
@pytest.mark.parametrize("index", range(3))
def test_states_agree_with_the_peer(model, modality, index):
    record = RECORDS[modality][index]
    states = model.encode(inputs_of(modality, record["frames"]), torch.tensor([record["frames"]]))
    assert gap(states[0], record["states"]) < 1e-4


@torch.no_grad()
def test_clip_beside_a_longer_one_is_read_the_same(model):
    lips = torch.cat([video(9), torch.nn.functional.pad(video(4), (0, 0) * 3 + (0, 5), value=0.3)])
    waves = torch.cat([sound(9), torch.nn.functional.pad(sound(4), (0, 0, 0, 5), value=0.3)])
    states = model.encode(Streams({"video": lips, "sound": waves}), torch.tensor([9, 4]))
    assert gap(states[0], RECORDS["both"][2]["states"]) < 1e-4
    assert gap(states[1, :4], RECORDS["both"][1]["states"]) < 1e-4
    assert not states[1, 4:].any()


@torch.no_grad()
def test_base_model_reads_pixels_from_0_to_1():
    torch.manual_seed(0)
    small = {"width": 2, "blocks": (1, 1, 1, 1), "activation": "prelu"}
    raw, normalising = RawResNet3DSettings(**small).build(4).eval(), ResNet3DSettings(**small).build(4).eval()
    normalising.load_state_dict(raw.state_dict())
    pixels, mask = torch.rand(1, 6, 1, 88, 88), torch.ones(1, 6, dtype=torch.bool)
    torch.testing.assert_close(raw((pixels - MEAN) / STD, mask), normalising(pixels, mask), atol=1e-5, rtol=1e-4)


def twice_as_wide(narrow):
    """Names and shapes of a model of 64 channels, thus of one head; its ResNet is unchanged."""
    shapes = {}
    for name, shape in narrow.items():
        resnet = ".resnet." in name
        shapes[name] = shape if resnet else [{32: 64, 64: 128}.get(side, side) for side in shape]
    for name, side in (("conv1.weight", 0), ("conv1.bias", 0), ("conv2.weight", 1)):
        shapes[f"encoder.feature_extractor_audio.{name}"][side] = 32
    shapes["encoder.encoder.pos_conv.0.weight_v"][1] = 64 // 16
    return shapes


def test_command_makes_an_encoder_that_cannot_transcribe(tmp_path, capsys, face_clip):
    torch.save(weights(twice_as_wide(GOLDEN["shapes"])), tmp_path / "large_cogenav.pt")
    out = tmp_path / "out"
    assert main(["import", "cogenav", str(tmp_path / "large_cogenav.pt"), "-o", str(out)]) == 0
    output = capsys.readouterr().out
    assert "reads video and sound, an encoder alone" in output and "no licence" in output
    assert load_model(out).model.config.encoder_settings["fused"]
    assert main(["encode", str(face_clip), "--model", str(out), "-o", str(tmp_path / "states"), "--format", "npz"]) == 0
    (file,) = (tmp_path / "states").iterdir()
    assert any(states.shape[-1] == 64 for states in np.load(file).values() if states.ndim)
    capsys.readouterr()
    assert main(["transcribe", str(face_clip), "--model", str(out)]) == 1
    assert "only an encoder" in capsys.readouterr().err


def test_foreign_tensors_and_models_are_named():
    tensors = weights(GOLDEN["shapes"])
    with pytest.raises(VsrError, match="'odd.weight', which this family"):
        cogenav.build(tensors | {"odd.weight": torch.zeros(2)}, GOLDEN["head"])
    with pytest.raises(VsrError, match="not a model of CoGenAV"):
        cogenav.build({"encoder.layer_norm.weight": torch.zeros(2)})
    with pytest.raises(VsrError, match="which no heads of 64 share"):
        cogenav.build(tensors)
