"""On a GPU (a simulated one): the same results as on the CPU, and no tensor left on the other device."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric.accelerators.cpu import CPUAccelerator
from lightning_fabric.strategies.single_device import SingleDeviceStrategy

import lip2speech
import vsr
from tests.simulated_gpu import GPU, GpuTensor, simulated_gpu
from tests.training.test_loop import config, losses_of  # noqa: F401  a fixture

DEMO = Path(__file__).parents[1] / "demo" / "clip.mp4"


def test_devices_do_not_mix():
    with simulated_gpu():
        values = torch.ones(3, device="cuda")
        with pytest.raises(RuntimeError, match="same device"):
            values + torch.ones(3)
        with pytest.raises(TypeError, match=r"cpu\(\) first"):
            values.numpy()
        assert (values + torch.tensor(2.0)).tolist() == [3, 3, 3]  # a single number may be on the CPU
        assert values[torch.tensor([0, 2])].device == GPU and values.cpu().device.type == "cpu"


def test_gradients_are_those_of_the_cpu():
    def gradients(device):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.LSTM(6, 3, batch_first=True)).to(device)
        model(torch.linspace(-1, 1, 24, device=device).view(2, 3, 4))[0].square().sum().backward()
        assert all(isinstance(weight, GpuTensor) == (device == "cuda") for weight in model.parameters())
        return [weight.grad.cpu() for weight in model.parameters()]

    with simulated_gpu():
        torch.testing.assert_close(gradients("cuda"), gradients("cpu"))


@pytest.mark.parametrize("name", ["grid-tracks", "grid-av"])
def test_reads_the_same_text(name):
    with simulated_gpu():
        expected, transcript = (vsr.load_model(name, device=device).transcribe(DEMO) for device in ("cpu", "cuda"))
    assert transcript.text == expected.text != ""
    confidences = [
        [word.confidence for segment in one.segments for word in segment.words] for one in (expected, transcript)
    ]
    assert confidences[0] == pytest.approx(confidences[1], abs=1e-3)


def test_speaks_the_same_wave():
    with simulated_gpu():
        waves = [lip2speech.load_model(device=device).speak(DEMO)[0] for device in ("cpu", "cuda")]
    assert np.abs(waves[0] - waves[1]).max() < 0.01 * np.abs(waves[0]).max()


def test_trains_with_the_same_losses(config, tmp_path, monkeypatch):  # noqa: F811  a fixture
    expected = losses_of(config, tmp_path / "cpu")
    monkeypatch.setattr(SingleDeviceStrategy, "root_device", property(lambda self: GPU))
    monkeypatch.setattr(CPUAccelerator, "setup_device", lambda self, device: None)
    with simulated_gpu():
        assert losses_of(config, tmp_path / "gpu") == pytest.approx(expected, rel=1e-3)
