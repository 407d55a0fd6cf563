"""`trainer.freeze`: named parts stay as they are, in every kind of training; what is not there is named."""

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


def test_what_is_frozen_stays_and_is_not_stored_and_a_killed_run_goes_on(config, tmp_path):
    own = freezing(config, "frontend", "decoder.embed")
    torch.manual_seed(own.seed)
    run, whole = run_until(LipReaderRun, own, tmp_path / "whole")
    first, _ = run_until(LipReaderRun, own, tmp_path / "killed", step=0)
    still = [name for name in run.model.state_dict() if name.startswith(("frontend.", "decoder.embed."))]
    begun, averaged = first.model.state_dict(), run.average.model.state_dict()
    for ended in (run.model.state_dict(), averaged):
        changed = {name for name in ended if not torch.equal(ended[name], begun[name])}
        assert still and not changed & set(still)
        assert all(any(name.startswith(part) for name in changed) for part in ("encoder.", "ctc.", "decoder.layers."))
    exported = load_file(tmp_path / "whole" / "model" / "model.safetensors")
    assert all(torch.equal(exported[name].float(), begun[name].half().float()) for name in still)
    state = torch.load(tmp_path / "killed" / "last.pt", weights_only=True)
    assert not set(still) & (state["model"].keys() | state["average"].keys())
    assert set(state["frozen"]) == {"frontend", "decoder"}
    _, rest = run_until(LipReaderRun, own, tmp_path / "killed", resume=True)
    assert rest == pytest.approx(whole, rel=1e-6)


def test_a_run_that_goes_on_with_other_frozen_parts_is_refused(config, tmp_path):
    run_until(LipReaderRun, freezing(config, "frontend"), tmp_path / "run", step=1)
    for names in ((), ("encoder", "frontend"), ("frontend.layers",)):
        with pytest.raises(VsrError, match="frozen"):
            LipReaderRun(freezing(config, *names), tmp_path / "run", True)


def test_a_name_that_is_no_part_is_refused_with_those_that_are(config, tmp_path):
    for name, known in (("front", "it has frontend, encoder, ctc, alignment, decoder"), ("decoder.x", "decoder.embed")):
        with pytest.raises(VsrError, match=f"'{name}' is no part of this model; .*{known}") as caught:
            LipReaderRun(freezing(config, name), tmp_path / "run")
        assert caught.value.reason == "bad_config" and not (tmp_path / "run" / "last.pt").exists()
    everything = ("frontend", "encoder", "ctc", "alignment", "decoder")
    with pytest.raises(VsrError, match="leaves nothing to train"):
        LipReaderRun(freezing(config, *everything), tmp_path / "nothing")


def test_a_frozen_part_and_its_copy_stay_in_evaluation_mode():
    part = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Dropout())
    model = torch.nn.ModuleDict({"a": part, "b": torch.nn.Linear(2, 2)})
    freeze(model, ["a"])
    twin = copy.deepcopy(model)
    for own in (model, twin):
        own.train()
        assert not any(module.training for module in own["a"].modules()) and own["b"].training
    assert set(frozen_names(model)) == {name for name in model.state_dict() if name.startswith("a.")}
    twin["a"].weight_of = 1
    assert not hasattr(model["a"], "weight_of"), "a copy's part is its own"
    twin.train()
    assert twin["a"].train.__self__ is twin["a"]


def test_a_voice_trains_the_rest():
    voice = tiny_voice(encoder="finetuned")
    freeze(voice, ["reader.frontend"])
    before = digests(voice.state_dict(), frozen_names(voice))
    optimiser = adamw(voice, 0.1, 0.0)
    begun = {name: own.clone() for name, own in voice.state_dict().items()}
    voice.loss(speech_batch([6, 9]))["loss"].backward()
    optimiser.step()
    assert digests(voice.state_dict(), frozen_names(voice)) == before
    moved = [name for name, own in voice.state_dict().items() if not torch.equal(own, begun[name])]
    assert any(name.startswith("reader.encoder.") for name in moved)


@pytest.mark.parametrize("value", ["frontend", ["frontend"]])
def test_one_name_or_a_list_in_the_yaml(config, value):
    from vsr.training.config import TrainerConfig

    assert build(TrainerConfig, {"freeze": value}).freeze == ("frontend",)
