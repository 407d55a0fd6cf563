"""Folders of restorers: adapters, weights of one's own, and what is refused."""

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


def adapted(backbone, **lora):
    return RestorerSettings(backbone, lora=LoraSettings(rank=2, modules=("q_proj", "v_proj"), **lora))


def test_adapters_begin_by_changing_nothing(backbone):
    pytest.importorskip("peft")
    plain = build(replace(adapted(backbone), lora=LoraSettings(rank=0)))[0].eval().to(torch.bfloat16)
    model = build(adapted(backbone))[0].eval().to(torch.bfloat16)
    ids = torch.tensor([[0, 5, 9, 11]])
    with torch.no_grad():
        assert torch.equal(model(input_ids=ids).logits, plain(input_ids=ids).logits)
    trained = [name for name, own in model.named_parameters() if own.requires_grad]
    assert trained and all("lora_" in name for name in trained)


def saved(backbone, folder):
    """A folder whose adapters do something."""
    settings = adapted(backbone)
    model, codec, licence = build(settings)
    with torch.no_grad():
        for name, own in model.named_parameters():
            if "lora_B" in name:
                own.normal_()
    save_restorer(folder, model, settings, {"licence": licence})
    return Restorer(model.eval(), codec, settings, licence)


def test_a_folder_gives_back_its_model(backbone, tmp_path):
    pytest.importorskip("peft")
    made = saved(backbone, tmp_path)
    found = load_restorer(tmp_path)
    assert found.settings == made.settings and found.licence == "mit"
    values = [own.log_probs(["B L UW"], [["blue"], ["red"]]) for own in (made, found)]
    assert values[0] == pytest.approx(values[1], rel=0.03)  # bfloat16
    assert not (tmp_path / "weights").exists()
    (tmp_path / "plain").write_text("")
    modes = {(tmp_path / name).stat().st_mode for name in ("plain", "adapter/adapter_model.safetensors")}
    assert len(modes) == 1


@pytest.mark.parametrize("architecture", KINDS)
def test_own_weights_are_saved_whole(architecture, tmp_path):
    made = tiny(architecture)
    save_restorer(tmp_path, made.model, made.settings, {})
    values = [own.log_probs(["B L UW"], [["blue"], ["red"]]) for own in (made, load_restorer(tmp_path))]
    assert values[0] == pytest.approx(values[1], abs=1e-5)


def test_another_backbone_and_pickles_are_refused(backbone, tmp_path):
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
def test_a_missing_package_is_one_line(backbone, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(VsrError, match=f"needs the package {package}: pip install 'vsr-lip2speech"):
        build(adapted(backbone))
