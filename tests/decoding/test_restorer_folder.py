"""Folders of restorers: adapters, own weights, and what is refused."""

import json
import sys
from dataclasses import replace

import pytest
import torch

pytest.importorskip("transformers")

from tests.tiny_restorer import KINDS, tiny
from vsr.core.errors import VsrError
from vsr.decoding.restorer import Restorer, RestorerSettings
from vsr.decoding.restorer_folder import build, load_restorer, save_restorer
from vsr.models.text_backbone import LoraSettings


def adapter_settings(backbone, **settings):
    return RestorerSettings(backbone, lora=LoraSettings(rank=2, modules=("q_proj", "v_proj"), **settings))


def test_new_adapters_change_nothing(backbone):
    pytest.importorskip("peft")
    without_adapters = (
        build(replace(adapter_settings(backbone), lora=LoraSettings(rank=0)))[0].eval().to(torch.bfloat16)
    )
    model = build(adapter_settings(backbone))[0].eval().to(torch.bfloat16)
    ids = torch.tensor([[0, 5, 9, 11]])
    with torch.no_grad():
        assert torch.equal(model(input_ids=ids).logits, without_adapters(input_ids=ids).logits)
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert trained and all("lora_" in name for name in trained)


def saved(backbone, folder):
    """Save a folder whose adapters have an effect."""
    settings = adapter_settings(backbone)
    model, codec, licence = build(settings)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    save_restorer(folder, model, settings, {"licence": licence})
    return Restorer(model.eval(), codec, settings, licence)


def test_saved_adapters_load_the_same(backbone, tmp_path):
    pytest.importorskip("peft")
    original = saved(backbone, tmp_path)
    reloaded = load_restorer(tmp_path)
    assert reloaded.settings == original.settings and reloaded.licence == "mit"
    values = [restorer.log_probs(["B L UW"], [["blue"], ["red"]]) for restorer in (original, reloaded)]
    assert values[0] == pytest.approx(values[1], rel=0.03)  # bfloat16
    assert not (tmp_path / "weights").exists()
    (tmp_path / "plain").write_text("")
    modes = {(tmp_path / name).stat().st_mode for name in ("plain", "adapter/adapter_model.safetensors")}
    assert len(modes) == 1


@pytest.mark.parametrize("architecture", KINDS)
def test_own_weights_are_saved_and_load_the_same(architecture, tmp_path):
    original = tiny(architecture)
    save_restorer(tmp_path, original.model, original.settings, {})
    values = [restorer.log_probs(["B L UW"], [["blue"], ["red"]]) for restorer in (original, load_restorer(tmp_path))]
    assert values[0] == pytest.approx(values[1], abs=1e-5)


def test_refuses_another_backbone_and_pickles(backbone, tmp_path):
    pytest.importorskip("peft")
    saved(backbone, tmp_path)
    table = json.loads((tmp_path / "restorer.json").read_text())
    table["backbone"] = dict.fromkeys(table["backbone"], "0" * 64)
    wrong = tmp_path / "wrong"
    (wrong / "adapter").mkdir(parents=True)
    (wrong / "restorer.json").write_text(json.dumps(table))
    with pytest.raises(VsrError, match="was trained on another model"):
        load_restorer(wrong)
    (tmp_path / "adapter" / "adapter_model.safetensors").rename(tmp_path / "adapter" / "adapter_model.bin")
    with pytest.raises(VsrError, match="pickled weights are never read"):
        load_restorer(tmp_path)
    with pytest.raises(VsrError, match=r"no model of vsr train"):
        load_restorer(wrong / "adapter")


@pytest.mark.parametrize("package", ["peft", "transformers"])
def test_missing_package_is_one_line(backbone, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(VsrError, match=f"needs the package {package}: pip install 'vsr-lip2speech"):
        build(adapter_settings(backbone))
