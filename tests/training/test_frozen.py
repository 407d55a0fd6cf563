"""Frozen weights are neither averaged nor stored; a run resumes only with the same frozen weights."""

from contextlib import suppress
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from tests.lip2speech.tiny import speech_batch, tiny_voice
from tests.training.test_loop import Killed
from tests.training.test_loop import config as config  # noqa: PLC0414  a fixture
from tests.training.test_machines import Noted, ranks
from vsr.core.errors import VsrError
from vsr.modelstore.folder import load_model
from vsr.training.averaging import average_epochs
from vsr.training.frozen import check_same, digests, frozen_names
from vsr.training.lipreader import LipReaderRun
from vsr.training.optimiser import adamw
from vsr.training.state import LAST, Average, Progress, load_state, save_state

pytestmark = pytest.mark.slow


class Frozen(LipReaderRun):
    """A run with a frozen front end; ``shift`` imitates weights from another file."""

    shift = 0.0

    def _build_model(self):
        model = super()._build_model()
        model.frontend.requires_grad_(False)
        with torch.no_grad():
            next(model.frontend.parameters()).add_(self.shift)
        return model


class Moved(Frozen):
    shift = 1e-3


class Spread(Noted, Frozen):
    """`Frozen` over several ranks."""


def run_until(kind, config, folder, step=None, resume=False):
    """The run and its losses; with ``step`` the run saves after that step and dies."""
    run, losses_seen = kind(config, folder, resume), []
    step_of_run = run._step

    def limited_step(indices):
        if step is not None and len(losses_seen) == step:
            run._save()
            raise Killed
        losses = step_of_run(indices)
        losses_seen.append(losses["loss"])
        return losses

    run._step = limited_step
    with suppress(Killed):
        run.fit()
    return run, losses_seen


def test_run_with_a_frozen_part_stores_the_rest_and_resumes_with_the_same_losses(config, tmp_path):
    run, whole = run_until(Frozen, config, tmp_path / "whole")
    run_until(Frozen, config, tmp_path / "killed", step=5)
    state = torch.load(tmp_path / "killed" / "last.pt", weights_only=True)
    frozen = [name for name, _ in run.model.frontend.named_parameters(prefix="frontend")]
    assert frozen and not set(frozen) & (state["model"].keys() | state["average"].keys())
    assert set(state["frozen"]) == {"frontend"}
    _, rest = run_until(Frozen, config, tmp_path / "killed", resume=True)
    assert rest == pytest.approx(whole[5:], rel=1e-6)
    weights = [load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "killed")]
    assert weights[0].keys() == run.model.state_dict().keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_frozen_part_may_be_sharded_over_ranks(config, tmp_path):
    sharded = replace(config, trainer=replace(config.trainer, strategy="fsdp", max_epochs=1))
    whole, killed = [tmp_path / "whole"] * 2, [tmp_path / "killed"] * 2
    losses = ranks(sharded, whole, kind=Spread)[0][3]
    killed_losses = ranks(sharded, killed, kind=Spread, kill_at=1)[0][3]
    rest = ranks(sharded, killed, kind=Spread, resume=True)[0][3]
    assert len(losses) > len(killed_losses) and killed_losses + rest == pytest.approx(losses, rel=1e-5)
    state = torch.load(killed[0] / "last.pt", weights_only=True)
    assert set(state["frozen"]) == {"frontend"} and not any(
        n.endswith("weight") for n in state["model"] if n.startswith("frontend.")
    )
    load_model(killed[0] / "model")


def test_epochs_without_frozen_weights_are_averaged(config, tmp_path):
    run, _ = run_until(Frozen, config, tmp_path / "run")
    epochs = [load_file(file) for file in sorted((tmp_path / "run" / "epochs").glob("*"))[-2:]]
    assert all(name in run.average.weights() for epoch in epochs for name in epoch)
    average_epochs(tmp_path / "run", 2, tmp_path / "average")
    average = load_model(tmp_path / "average").model.state_dict()
    for name, tensor in run.model.state_dict().items():
        if name in run.average.left_alone:
            assert torch.equal(average[name], tensor.half().float()), name
        elif tensor.is_floating_point():
            mean = (epochs[0][name] + epochs[1][name]) / 2
            assert torch.equal(average[name], mean.half().float()), name


def test_refuses_changed_or_missing_frozen_part_in_one_line(config, tmp_path):
    run_until(Frozen, config, tmp_path / "run", step=1)
    before = (tmp_path / "run" / "last.pt").read_bytes()
    for kind, line in ((Moved, "the frozen 'frontend' is not the one"), (LipReaderRun, "'frontend' was frozen when")):
        with pytest.raises(VsrError, match=f"cannot resume from .*last.pt: {line}") as caught:
            kind(config, tmp_path / "run", True)
        assert "\n" not in str(caught.value) and caught.value.reason == "bad_model"
    assert (tmp_path / "run" / "last.pt").read_bytes() == before
    with pytest.raises(VsrError, match="'teacher' is frozen here"):
        check_same({"teacher": "a"}, {})


def test_whole_checkpoints_of_earlier_versions_resume(config, tmp_path):
    _, whole = run_until(Frozen, config, tmp_path / "whole")
    run, _ = run_until(Frozen, config, tmp_path / "old", step=5)
    path = tmp_path / "old" / "last.pt"
    state = torch.load(path, weights_only=True)
    del state["frozen"]
    frozen = {name: run.model.state_dict()[name] for name in run.average.left_alone}
    torch.save(state | {"model": state["model"] | frozen, "average": state["average"] | frozen}, path)
    with pytest.raises(VsrError, match="the frozen 'frontend' is not the one"):
        Moved(config, tmp_path / "old", True)
    _, rest = run_until(Frozen, config, tmp_path / "old", resume=True)
    assert rest == pytest.approx(whole[5:], rel=1e-6)


def test_average_shares_frozen_weights_and_follows_the_rest():
    voice = tiny_voice(encoder="frozen")  # its reader stays in evaluation mode
    average = Average(voice, 0.9)
    assert set(average.frozen) == {"reader"} and all(name.startswith("reader.") for name in average.left_alone)
    assert average.left_alone.keys() == {f"reader.{name}" for name in voice.reader.state_dict()}
    weights, copied = voice.state_dict(), average.model.state_dict()
    for name in weights:
        assert (weights[name].data_ptr() == copied[name].data_ptr()) is (name in average.left_alone), name
    optimiser = torch.optim.SGD([p for p in voice.parameters() if p.requires_grad], 0.1)
    voice.loss(speech_batch([6, 9]))["loss"].backward()
    optimiser.step()
    average.update(voice, 100)
    changed = [
        name for name in copied if not torch.equal(copied[name], tiny_voice(encoder="frozen").state_dict()[name])
    ]
    assert changed and not any(name in average.left_alone for name in changed)
    assert digests(voice.state_dict(), average.left_alone) == average.frozen


def test_voice_resumes_only_with_its_own_encoder(tmp_path):
    def new_training():
        voice = tiny_voice(encoder="frozen")
        return voice, Average(voice, 0.9), adamw(voice, 0.1, 0.0)

    voice, average, optimiser = new_training()
    voice.loss(speech_batch([6, 9]))["loss"].backward()
    optimiser.step()
    average.update(voice, 100)
    save_state(tmp_path, voice, average, optimiser, Progress(step=1), True)
    assert not any(name.startswith("reader.") for name in torch.load(tmp_path / LAST, weights_only=True)["model"])
    resumed, resumed_average, resumed_optimiser = new_training()
    assert load_state(tmp_path, resumed, resumed_average, resumed_optimiser).step == 1
    for saved, loaded in ((voice, resumed), (average.model, resumed_average.model)):
        assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in saved.state_dict().items())
    shifted = tiny_voice(encoder="frozen")
    next(shifted.reader.parameters()).data.add_(1e-4)
    with pytest.raises(VsrError, match="the frozen 'reader' is not the one that the run was begun with: SHA-256"):
        load_state(tmp_path, shifted, Average(shifted, 0.9), adamw(shifted, 0.1, 0.0))


def test_statistics_updated_by_a_frozen_layer_are_stored():
    model = torch.nn.Sequential(torch.nn.Conv1d(1, 2, 3), torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 2))
    model[:2].requires_grad_(False)
    assert frozen_names(model) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    model[1].train = lambda mode=True: model[1]  # stays in evaluation mode
    model[1].training = False
    assert "1.running_mean" in frozen_names(model)
    assert not frozen_names(model.requires_grad_(True))


def test_digest_depends_on_every_number_type_and_shape():
    state = {"a.w": torch.randn(3, 4), "a.n": torch.tensor(3), "b.w": torch.zeros(2, dtype=torch.bfloat16)}
    original = digests(state, state)
    other = digests(state | {"a.w": state["a.w"].nextafter(torch.tensor(9.0))}, state)
    assert original.keys() == {"a", "b"} and other["a"] != original["a"] and other["b"] == original["b"]
    assert digests(state | {"b.w": state["b.w"].half()}, state)["b"] != original["b"]
    assert digests({"b.w": state["b.w"].view(1, 2)}, ["b.w"])["b"] != original["b"]
