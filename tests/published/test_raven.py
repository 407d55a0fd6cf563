"""Readers of RAVEn, USR and USR 2.0 compute what the real peers computed from the same weights."""

import json
from pathlib import Path

import pytest
import torch

from tests.published.agreement import assert_every_stage, states_beside_a_longer_clip
from tests.published.formula import fill, video, weights
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.modelstore.folder import load_model
from vsr.modelstore.importers import raven, usr

GOLDEN = Path(__file__).parent / "golden"
FAMILIES = {"raven": raven, "usr": usr, "usr2": usr}
VERB = {"usr2": "usr"}  # what the command calls it
UNITS = ["<unk>", "'", "0", "▁A", "▁BE", "C", "D", "▁E", "F"]  # and blank, end: 11


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def golden(family):
    """Names and shapes of the peer's tensors, and its outputs (`golden_raven.py` made them)."""
    return json.loads((GOLDEN / f"{family}.json").read_text())


@pytest.fixture(scope="module")
def model(family, golden):
    return FAMILIES[family].build(weights(golden["shapes"]))


@pytest.mark.parametrize("index", range(3))
def test_every_stage_agrees_with_the_peer(golden, model, index):
    assert_every_stage(model, golden["records"][index])


def test_a_clip_beside_a_longer_one_is_read_the_same(golden, model):
    assert not states_beside_a_longer_clip(model, golden["records"])[1, 4:].any()


def test_the_two_differ_in_their_normalisation(family, model):
    assert model.config.encoder_settings["norm"] == ("batch" if family == "raven" else "layer")


@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "model.backbone."])
def test_the_command_makes_a_folder_that_reads_the_same(family, golden, model, prefix, tmp_path, capsys):
    given = weights(golden["shapes"])
    if family != "raven":  # as its published files may be: compiled, or of a training run
        given = {f"{prefix}{name}": tensor for name, tensor in given.items()}
        given |= {"model.target_backbone.x": torch.zeros(2)} if "backbone" in prefix else {}
    torch.save(given, tmp_path / "peer.pth")
    lines = [f"{unit} {number}" for number, unit in enumerate(UNITS, start=1)]
    (tmp_path / "units.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    out = tmp_path / "model"
    peer, units = str(tmp_path / "peer.pth"), str(tmp_path / "units.txt")
    args = ["import", VERB.get(family, family), peer, "--units", units, "-o", str(out)]
    assert main(args) == 0
    assert "11 tokens" in capsys.readouterr().out
    loaded = load_model(out)
    assert loaded.config["decode"] == {"beam": 40, "ctc_weight": 0.1}
    assert loaded.tokenizer.decode([4, 6, 5]) == "AC BE"
    with torch.no_grad():
        length = torch.tensor([4])
        assert torch.equal(loaded.model.encode(video(4), length), model.encode(video(4), length))


def test_what_does_not_belong_is_named(family, golden):
    build, given = FAMILIES[family].build, weights(golden["shapes"])
    with pytest.raises(VsrError, match="'encoder.odd', which this family"):
        build(given | {"encoder.odd": torch.zeros(3)})
    lacking = "encoder.encoders.1.gamma_ff"
    with pytest.raises(VsrError, match=f"lacks '{lacking}'"):
        build({name: tensor for name, tensor in given.items() if name != lacking})
    with pytest.raises(VsrError, match="has shape"):
        build(given | {"encoder.encoders.0.gamma_mha": fill("x", (5,))})


def test_a_model_of_the_other_family_is_refused(family, golden):
    other = FAMILIES["usr" if family == "raven" else "raven"]
    with pytest.raises(VsrError, match="not a (visual )?model of"):
        other.build(weights(golden["shapes"]))


def test_without_units_it_says_what_to_give(family, golden, tmp_path, capsys):
    torch.save(weights(golden["shapes"]), tmp_path / "peer.pth")
    args = ["import", VERB.get(family, family), str(tmp_path / "peer.pth"), "-o", str(tmp_path / "model")]
    assert main(args) == 1
    assert "give --units unigram1000_units.txt" in capsys.readouterr().err and not (tmp_path / "model").exists()
