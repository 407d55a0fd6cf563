"""`trainer.freeze`: named parts stay unchanged in every kind of training; unknown names are refused."""

import copy
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from tests.lip2speech.tiny import speech_batch, tiny_voice
from tests.training.test_frozen import run_until
from tests.training.test_loop import config as config  # noqa: PLC0414  a fixture
from vsr.core.errors import VsrError
from vsr.training.frozen import digests, freeze, frozen_names
from vsr.training.lipreader import LipReaderRun
from vsr.training.optimiser import adamw
from vsr.training.typed_yaml import build


def freezing(config, *names):
    return replace(config, trainer=replace(config.trainer, freeze=names))


def test_frozen_parts_are_unchanged_and_not_stored_and_a_killed_run_resumes(config, tmp_path):
    frozen_config = freezing(config, "frontend", "decoder.embed")
    torch.manual_seed(frozen_config.seed)
    run, whole = run_until(LipReaderRun, frozen_config, tmp_path / "whole")
    first, _ = run_until(LipReaderRun, frozen_config, tmp_path / "killed", step=0)
    frozen = [name for name in run.model.state_dict() if name.startswith(("frontend.", "decoder.embed."))]
    start, averaged = first.model.state_dict(), run.average.model.state_dict()
    for trained_state in (run.model.state_dict(), averaged):
        changed = {name for name in trained_state if not torch.equal(trained_state[name], start[name])}
        assert frozen and not changed & set(frozen)
        assert all(any(name.startswith(part) for name in changed) for part in ("encoder.", "ctc.", "decoder.layers."))
    exported = load_file(tmp_path / "whole" / "model" / "model.safetensors")
    assert all(torch.equal(exported[name].float(), start[name].half().float()) for name in frozen)
    state = torch.load(tmp_path / "killed" / "last.pt", weights_only=True)
    assert not set(frozen) & (state["model"].keys() | state["average"].keys())
    assert set(state["frozen"]) == {"frontend", "decoder"}
    _, rest = run_until(LipReaderRun, frozen_config, tmp_path / "killed", resume=True)
    assert rest == pytest.approx(whole, rel=1e-6)


def test_refuses_resume_with_other_frozen_parts(config, tmp_path):
    run_until(LipReaderRun, freezing(config, "frontend"), tmp_path / "run", step=1)
    for names in ((), ("encoder", "frontend"), ("frontend.layers",)):
        with pytest.raises(VsrError, match="frozen"):
            LipReaderRun(freezing(config, *names), tmp_path / "run", True)


def test_unknown_part_is_refused_with_the_known_ones(config, tmp_path):
    for name, known in (("front", "it has frontend, encoder, ctc, alignment, decoder"), ("decoder.x", "decoder.embed")):
        with pytest.raises(VsrError, match=f"'{name}' is no part of this model; .*{known}") as caught:
            LipReaderRun(freezing(config, name), tmp_path / "run")
        assert caught.value.reason == "bad_config" and not (tmp_path / "run" / "last.pt").exists()
    everything = ("frontend", "encoder", "ctc", "alignment", "decoder")
    with pytest.raises(VsrError, match="leaves nothing to train"):
        LipReaderRun(freezing(config, *everything), tmp_path / "nothing")


def test_frozen_part_and_its_copy_stay_in_evaluation_mode():
    part = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Dropout())
    model = torch.nn.ModuleDict({"a": part, "b": torch.nn.Linear(2, 2)})
    freeze(model, ["a"])
    duplicate = copy.deepcopy(model)
    for module_dict in (model, duplicate):
        module_dict.train()
        assert not any(module.training for module in module_dict["a"].modules()) and module_dict["b"].training
    assert set(frozen_names(model)) == {name for name in model.state_dict() if name.startswith("a.")}
    duplicate["a"].weight_of = 1
    assert not hasattr(model["a"], "weight_of"), "a copy's part is its own"
    duplicate.train()
    assert duplicate["a"].train.__self__ is duplicate["a"]


def test_voice_trains_its_other_parts():
    voice = tiny_voice(encoder="finetuned")
    freeze(voice, ["reader.frontend"])
    before = digests(voice.state_dict(), frozen_names(voice))
    optimiser = adamw(voice, 0.1, 0.0)
    start = {name: tensor.clone() for name, tensor in voice.state_dict().items()}
    voice.loss(speech_batch([6, 9]))["loss"].backward()
    optimiser.step()
    assert digests(voice.state_dict(), frozen_names(voice)) == before
    changed_names = [name for name, tensor in voice.state_dict().items() if not torch.equal(tensor, start[name])]
    assert any(name.startswith("reader.encoder.") for name in changed_names)


@pytest.mark.parametrize("value", ["frontend", ["frontend"]])
def test_yaml_takes_one_name_or_a_list(config, value):
    from vsr.training.config import TrainerConfig

    assert build(TrainerConfig, {"freeze": value}).freeze == ("frontend",)
