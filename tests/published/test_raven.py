"""Readers of RAVEn, USR and USR 2.0, of lips, sound and both, compute what the real peers computed."""

import json
from pathlib import Path

import pytest
import torch

from tests.published.agreement import assert_every_stage, assert_search, gap, inputs_of, states_beside_a_longer_clip
from tests.published.formula import fill, sound, weights
from tests.published.test_import_command import write_units
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.decoding.defaults import options_for
from vsr.decoding.shallow_fusion import NeuralLanguage
from vsr.modelstore.folder import load_model
from vsr.modelstore.importers import espnet_language, raven, usr

GOLDEN = Path(__file__).parent / "golden"
FAMILIES = {"raven": raven, "raven_sound": raven, "usr": usr, "usr2": usr}
OF_USR = ("usr", "usr2")
VERB = {"usr2": "usr", "raven_sound": "raven"}  # the family's name in the command
UNITS = ["<unk>", "'", "0", "▁A", "▁BE", "C", "D", "▁E", "F"]  # with blank and end: 11


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def golden(family):
    """Names and shapes of the peer's tensors, and its outputs (made by `golden_raven.py`)."""
    return json.loads((GOLDEN / f"{family}.json").read_text())


@pytest.fixture(scope="module")
def model(family, golden):
    return FAMILIES[family].build(weights(golden["shapes"]))


@pytest.mark.parametrize("index", range(3))
def test_every_stage_agrees_with_the_peer(golden, model, index):
    assert_every_stage(model, golden["records"][index])


@pytest.mark.parametrize("frames", [9, 14])
def test_whole_search_gives_the_peers_n_best(golden, model, frames):
    assert_search(model, golden["search"], frames)


@pytest.mark.parametrize("frames", [9, 14])
def test_raven_search_with_its_language_model_gives_the_peers_n_best(frames):
    golden = json.loads((GOLDEN / "raven.json").read_text())
    peer, model = golden["language"], raven.build(weights(golden["shapes"]))
    language = NeuralLanguage(espnet_language.build(weights(peer["shapes"]), raven.LANGUAGE))
    searched = golden["search"] | {"found": peer["found"]}
    assert_search(model, searched, frames, languages=[(peer["weight"], language)])
    assert peer["found"] != golden["search"]["found"] and peer["weight"] == raven.LM_WEIGHT


def test_folder_includes_the_language_model_of_raven_and_searches_with_it(tmp_path, capsys):
    golden = json.loads((GOLDEN / "raven.json").read_text())
    torch.save(weights(golden["shapes"]), tmp_path / "peer.pth")
    torch.save(weights(golden["language"]["shapes"]), tmp_path / "rnnlm.model.best")
    write_units(tmp_path / "units.txt", UNITS[1:])
    files = ["--units", str(tmp_path / "units.txt"), "--lm", str(tmp_path / "rnnlm.model.best")]
    assert main(["import", "raven", str(tmp_path / "peer.pth"), *files, "-o", str(tmp_path / "out")]) == 0
    options = options_for(load_model(tmp_path / "out"))
    assert (options.lm_weight, options.lm) == (0.2, str(tmp_path / "out" / "lm"))
    assert main(["import", "usr", str(tmp_path / "peer.pth"), *files, "-o", str(tmp_path / "other")]) == 2
    assert "--lm works only with vsr4ml and raven" in capsys.readouterr().err


def test_clip_beside_a_longer_one_is_read_the_same(golden, model):
    assert not states_beside_a_longer_clip(model, golden["records"])[1, 4:].any()


def test_families_differ_in_their_normalisation(family, model):
    assert model.config.encoder_settings["norm"] == ("layer" if family in OF_USR else "batch")


@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "model.backbone."])
def test_command_makes_a_folder_that_reads_the_same(family, golden, model, prefix, tmp_path, capsys):
    tensors = weights(golden["shapes"])
    if family in OF_USR:  # published files may be compiled, or those of a training run
        tensors = {f"{prefix}{name}": tensor for name, tensor in tensors.items()}
        tensors |= {"model.target_backbone.x": torch.zeros(2)} if "backbone" in prefix else {}
    torch.save(tensors, tmp_path / "peer.pth")
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
        length, inputs = torch.tensor([4]), inputs_of(model, 4)
        assert torch.equal(loaded.model.encode(inputs, length), model.encode(inputs, length))


def test_foreign_missing_and_misshapen_tensors_are_named(family, golden):
    build, tensors = FAMILIES[family].build, weights(golden["shapes"])
    with pytest.raises(VsrError, match="'encoder.odd', which this family"):
        build(tensors | {"encoder.odd": torch.zeros(3)})
    lacking = "encoder.encoders.1.gamma_ff"
    with pytest.raises(VsrError, match=f"lacks '{lacking}'"):
        build({name: tensor for name, tensor in tensors.items() if name != lacking})
    with pytest.raises(VsrError, match="has shape"):
        build(tensors | {"encoder.encoders.0.gamma_mha": fill("x", (5,))})


def test_model_of_the_other_family_is_refused(family, golden):
    other = FAMILIES["raven" if family in OF_USR else "usr"]
    with pytest.raises(VsrError, match="not a model of"):
        other.build(weights(golden["shapes"]))


def test_missing_units_are_one_line(family, golden, tmp_path, capsys):
    torch.save(weights(golden["shapes"]), tmp_path / "peer.pth")
    args = ["import", VERB.get(family, family), str(tmp_path / "peer.pth"), "-o", str(tmp_path / "model")]
    assert main(args) == 2
    assert "give --units unigram1000_units.txt" in capsys.readouterr().err and not (tmp_path / "model").exists()


@pytest.mark.parametrize("modality", ["sound", "both"])
@pytest.mark.parametrize("of_usr", OF_USR)
class TestUSRHears:
    """The same checkpoint, read by sound, and by both."""

    def test_every_stage_and_the_search_agree_with_the_peer(self, of_usr, modality):
        golden, model = self.made(of_usr, modality)
        for record in golden[modality]["records"]:
            assert_every_stage(model, record)
        for frames in (9, 14):
            assert_search(model, golden[modality]["search"], frames)

    def test_clip_beside_a_longer_one_is_read_the_same(self, of_usr, modality):
        golden, model = self.made(of_usr, modality)
        assert not states_beside_a_longer_clip(model, golden[modality]["records"])[1, 4:].any()

    def test_modalities_differ(self, of_usr, modality):
        golden, model = self.made(of_usr, modality)
        with torch.no_grad():
            states = model.encode(inputs_of(model, 9), torch.tensor([9]))[0]
        assert gap(states, golden["records"][2]["states"]) > 1e-2

    def made(self, of_usr, modality):
        golden = json.loads((GOLDEN / f"{of_usr}.json").read_text())
        return golden, usr.build(weights(golden["shapes"]), modality)


def test_level_of_the_sound_matters():
    model = raven.build(weights(json.loads((GOLDEN / "raven_sound.json").read_text())["shapes"]))
    with torch.no_grad():
        loud, soft = (model.encode(gain * sound(9), torch.tensor([9])) for gain in (1.0, 0.5))
    assert (loud - soft).abs().max() > 1e-3


def test_checkpoint_of_lips_alone_reads_no_sound():
    shapes = json.loads((GOLDEN / "usr.json").read_text())["shapes"]
    silent = {name: shape for name, shape in shapes.items() if "frontend_a" not in name}
    usr.build(weights(silent))
    with pytest.raises(VsrError, match="it has no 'encoder.frontend_a' tensors"):
        usr.build(weights(silent), "both")
