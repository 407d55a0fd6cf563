"""Two processes train a vocoder and its discriminators like one with the whole batch."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from lip2speech.inference.folder import load_vocoder
from lip2speech.training.vocoder import VocoderRun
from lip2speech.training.vocoder_segments import Segments
from lip2speech.vocoders.config import VocoderTrainConfig
from tests.lip2speech.tiny import UNITS, speakers
from tests.training.test_machines import Noted, Paired, ranks
from vsr.core.errors import VsrError
from vsr.core.files import write_json
from vsr.data.manifest import Clip, read_manifests, write_manifest
from vsr.media.mel import log_mel
from vsr.media.mux.sound import to_pcm16
from vsr.training.typed_yaml import build

pytestmark = pytest.mark.slow

FRAMES = 25


class Watched(Noted, VocoderRun):
    pass


class Whole(Paired, VocoderRun):
    pass


@pytest.fixture
def config(tmp_path, voice_like):
    """Five clips in batches of two: two ranks do two steps an epoch; the discriminators start in the second epoch."""
    (tmp_path / "features").mkdir()
    clips = [Clip(f"c{i}", f"c{i}.mp4", "a", "s", FRAMES) for i in range(6)]
    for i, clip in enumerate(clips):
        wave = voice_like[5000 * i :][: 640 * FRAMES]
        stored = {
            "wave": torch.from_numpy(to_pcm16(wave)), "mel": log_mel(torch.from_numpy(wave)).contiguous(),
            "units": (torch.arange(2 * FRAMES) // (i + 1) % UNITS).to(torch.int16), "speaker": speakers(6)[i].clone(),
        }  # fmt: skip
        save_file(stored, str(tmp_path / "features" / f"{clip.id}.safetensors"))
    for name, list_clips in (("train", clips[:5]), ("dev", clips[5:])):
        write_manifest(tmp_path / f"{name}.jsonl", list_clips)
    settings = {
        "data": {
            "train": [str(tmp_path / "train.jsonl")], "dev": [str(tmp_path / "dev.jsonl")],
            "features": str(tmp_path / "features"), "segment": 10, "clips_per_batch": 2,
        },
        "model": {"units": UNITS, "unit_dim": 4, "speaker_dim": 4, "dim": 16, "hidden": 32, "layers": 2},
        "gan": {"after": 0.5, "width": 2},
        "optim": {"lr": 1e-3, "warmup_steps": 2, "ema": 0.5},
        "trainer": {"max_epochs": 2, "accelerator": "cpu", "threads": 1},
    }  # fmt: skip
    return build(VocoderTrainConfig, settings)


def assert_same_gradients(first, second):
    """Check their running means, of generator and discriminators: in the weights, Adam amplifies rounding."""
    states = [saved["optimiser"]["state"] for saved in (first, second)]
    assert states[0].keys() == states[1].keys() and len(states[0]) > 100
    for index, state in states[0].items():
        largest = float(state["exp_avg"].abs().max())
        torch.testing.assert_close(
            states[1][index]["exp_avg"], state["exp_avg"], rtol=1e-2, atol=1e-2 * largest + 1e-8, msg=f"{index}"
        )


def test_two_ranks_do_what_one_does_with_the_whole_batch(config, tmp_path):
    """Without the spectral and the feature loss, which are ratios of each rank's sums and not means over clips."""
    config = replace(config, gan=replace(config.gan, spectral=0.0, features=0.0))
    alone = Whole(config, tmp_path / "alone")
    alone.fit()
    first, second = ranks(config, [tmp_path / "0", tmp_path / "1"], kind=Watched)
    assert (first[:2], second[:2]) == ((0, 2), (1, 2))
    assert first[3] == second[3] == pytest.approx(alone.losses_seen, rel=1e-4) and len(first[3]) == 4
    for epoch in range(2):
        assert sorted(i for rank in (first, second) for e, step in rank[2] for i in step if e == epoch) == [*range(5)]
    assert_same_gradients(
        *(torch.load(tmp_path / run_name / "last.pt", weights_only=True) for run_name in ("alone", "0"))
    )
    assert not (tmp_path / "1").exists()


def test_killed_run_of_two_ranks_resumes(config, tmp_path):
    uninterrupted, killed = tmp_path / "whole", tmp_path / "killed"
    expected = ranks(config, [uninterrupted, uninterrupted], kind=Watched)[0][3]
    killed_losses = ranks(config, [killed, killed], kind=Watched, kill_at=3)[0][
        3
    ]  # the discriminators have had one step
    resumed_losses = ranks(config, [killed, killed], kind=Watched, resume=True)[0][3]
    assert len(expected) == 4 and killed_losses + resumed_losses == pytest.approx(expected, rel=1e-5)
    assert load_vocoder(killed / "model")


class Damaged(VocoderRun):
    """In its first ``damaged`` steps, one sample of the real wave is NaN."""

    damaged = 2

    def losses(self, batch):
        if self.progress.step < self.damaged:
            batch.wave[0, 100] = float("nan")
        return super().losses(batch)


@pytest.fixture
def adversarial(config):
    """With the discriminators from the first step on."""
    return replace(config, gan=replace(config.gan, after=0.0))


def test_sample_that_is_not_finite_does_not_reach_the_weights(adversarial, tmp_path, capsys):
    run = Damaged(adversarial, tmp_path / "run")
    losses = run._epoch()
    assert run.gan_finite.skipped == 2 and torch.isfinite(torch.tensor(losses["discriminators"]))
    for part in (run.model, run.average.model):
        assert all(tensor.isfinite().all() for tensor in part.state_dict().values())
    run._report({})
    output = capsys.readouterr().out
    assert "2 steps of the discriminators skipped" in output and "2 of 3 steps skipped" in output


def test_skipped_steps_change_no_discriminator(adversarial, tmp_path):
    run = Damaged(adversarial, tmp_path / "run")
    before = {name: tensor.clone() for name, tensor in run.model.discriminators.state_dict().items()}
    run.damaged = 9
    with pytest.raises(VsrError, match="the training is lost: 3 steps up to step 3 had no finite gradient") as caught:
        run._epoch()
    assert caught.value.reason == "not_finite"
    assert all(torch.equal(weight, before[name]) for name, weight in run.model.discriminators.state_dict().items())


def test_gradients_of_the_discriminators_are_clipped(adversarial, tmp_path, monkeypatch):
    config = replace(adversarial, optim=replace(adversarial.optim, clip=1e-3))
    run, norms = VocoderRun(config, tmp_path / "run"), []
    step = run.optimiser.step

    def step_and_note():
        norms_of_step = [p.grad.norm() for p in run.model.discriminators.parameters() if p.grad is not None]
        if norms_of_step:
            norms.append(float(torch.stack(norms_of_step).norm()))
        step()

    monkeypatch.setattr(run.optimiser, "step", step_and_note)
    run._epoch()
    assert len(norms) == 3 and max(norms) < 1.01e-3


def test_refuses_dev_list_without_features_at_the_start(config, tmp_path):
    write_json(tmp_path / "features" / "refused.json", {"clips": {"c5": {"reason": "silent", "message": "x"}}})
    with pytest.raises(VsrError, match="dev: not one clip has features"):
        VocoderRun(config, tmp_path / "run")


def test_refusal_of_sharding_is_printed_once(config, tmp_path):
    config = replace(config, trainer=replace(config.trainer, strategy="fsdp"))
    (_, message, *_), (_, status, *_) = ranks(config, [tmp_path / "out"] * 2, kind=Watched)
    assert "trainer.strategy is fsdp" in message and status == 1 and not (tmp_path / "out").exists()


def test_segment_of_a_clip_does_not_depend_on_its_batch(config):
    segments = Segments(read_manifests(config.data.train), config.data, seed=0)
    together, alone = segments.batch([3, 1], epoch=2), segments.batch([1], epoch=2)
    assert torch.equal(together.mel[1], alone.mel[0]) and torch.equal(together.wave[1], alone.wave[0])
    assert not torch.equal(segments.batch([1], epoch=3).wave, alone.wave)


def test_segment_of_a_clip_does_not_depend_on_pythons_hash(config, monkeypatch):
    """The hash of a tuple may change between versions, and is the same for some different tuples."""

    def fail(value):
        raise AssertionError("Python's hash is asked")

    monkeypatch.setattr("lip2speech.training.vocoder_segments.hash", fail, raising=False)
    segments = Segments(read_manifests(config.data.train), config.data, seed=0)
    assert segments.batch([0], epoch=1).wave.shape == (1, 6400)
