"""On a GPU (a simulated one): the same results as on the CPU, and no tensor left on the other device."""

import pytest
import torch

from tests.simulated_gpu import GPU, GpuTensor, simulated_gpu


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
