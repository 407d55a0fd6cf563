"""Devices without float64, such as Apple's GPU: one is emulated, and the search on it equals that on the CPU.

`Elsewhere` is a tensor whose device is "meta" and whose numbers are on the CPU. It can be computed only with its own
kind, as on a real device, and a float64 tensor of it is an error.
"""

from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from vsr.core import machine
from vsr.decoding.options import DecodeOptions
from vsr.decoding.search import decode
from vsr.decoding.shallow_fusion import NeuralLanguage
from vsr.inference.phrases import score_phrases
from vsr.models.language import LanguageModel, LanguageModelConfig
from vsr.models.lengths import _rates
from vsr.models.lipreader import LipReader, LipReaderConfig

PLACE = torch.device("meta")


class Elsewhere(torch.Tensor):
    """A tensor on the emulated device."""

    @staticmethod
    def __new__(cls, values):
        if values.dtype == torch.float64:
            raise TypeError("this device has no float64")
        wrapper = torch.Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=PLACE,
        )
        wrapper.own = values
        return wrapper

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, dict(kwargs or {}))

    def tolist(self):
        return self.own.tolist()

    __torch_function__ = torch._C._disabled_torch_function_impl


class Literals(TorchFunctionMode):
    """`torch.tensor(..., device=...)` never reaches a dispatch mode with its numbers."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is torch.tensor and kwargs.get("device") == PLACE:
            return Elsewhere(func(*args, **kwargs | {"device": "cpu"}))
        return func(*args, **kwargs)


@contextmanager
def emulated_device():
    """New tensors that are asked for on that device are made there."""
    with Factory(), Literals():
        yield


class Factory(TorchDispatchMode):
    """For all other ways to make a tensor."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, dict(kwargs or {}))


def _run(func, args, kwargs):
    flat = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, torch.Tensor)]
    elsewhere = any(isinstance(value, Elsewhere) for value in flat)
    if elsewhere and func is not torch.ops.aten.copy_.default:
        assert all(isinstance(value, Elsewhere) or value.dim() == 0 for value in flat), f"{func} mixes two devices"
    target = kwargs.get("device")
    if target is not None:
        kwargs["device"] = torch.device("cpu")
        elsewhere = target == PLACE
    result = func(*tree_map(_own, args), **tree_map(_own, kwargs))
    if func is torch.ops.aten._local_scalar_dense.default:
        return result
    return tree_map(lambda value: Elsewhere(value) if elsewhere and type(value) is torch.Tensor else value, result)


def _own(value):
    return value.own if isinstance(value, Elsewhere) else value


def moved(module: nn.Module) -> nn.Module:
    """The same module with all its parameters on the emulated device."""
    for part in module.modules():
        for name, value in list(part._parameters.items()):
            if value is not None:
                part._parameters[name] = nn.Parameter(Elsewhere(value.detach().clone()), requires_grad=False)
    return module


@pytest.fixture(autouse=True)
def clear_caches():
    """Position codes of that device must not reach other tests."""
    yield
    _rates.cache_clear()


@pytest.fixture
def no_float64(monkeypatch):
    """The emulated device is known to lack float64."""
    monkeypatch.setattr(machine, "WITHOUT_FLOAT64", (PLACE.type,))


def reader() -> LipReader:
    torch.manual_seed(0)
    sizes = {"dim": 16, "heads": 2, "hidden": 24, "layers": 1, "kernel": 3, "decoder_layers": 1, "decoder_hidden": 24}
    small = {"frontend_width": 8, "frontend_layers": 1, "frontend_heads": 2}
    return LipReader(LipReaderConfig(vocab_size=11, **sizes, **small)).eval()


def language() -> LanguageModel:
    torch.manual_seed(1)
    return LanguageModel(LanguageModelConfig(vocab_size=11, dim=16, heads=2, hidden=24, layers=1)).eval()


def states():
    return torch.randn(2, 9, 16, generator=torch.Generator().manual_seed(2)), torch.tensor([9, 6])


@torch.inference_mode(False)
@torch.no_grad()
def searched(options, elsewhere):
    model, lm, (inputs, lengths) = reader(), language(), states()
    if elsewhere:
        model, lm, inputs, lengths = moved(model), moved(lm), Elsewhere(inputs), Elsewhere(lengths)
    with sdpa_kernel(SDPBackend.MATH):
        return decode.__wrapped__(model, inputs, lengths, options, 10, [(0.3, NeuralLanguage(lm))])


@pytest.mark.parametrize("method", ["joint", "attention", "ctc_beam", "ctc_greedy"])
def test_search_equals_that_on_the_cpu(no_float64, method):
    options = DecodeOptions(method, beam=4, nbest=3)
    expected = searched(options, elsewhere=False)
    with emulated_device():
        elsewhere = searched(options, elsewhere=True)
    assert [[h.tokens for h in hypotheses] for hypotheses in elsewhere] == [
        [h.tokens for h in hypotheses] for hypotheses in expected
    ]
    assert [h.score for hypotheses in elsewhere for h in hypotheses] == pytest.approx(
        [h.score for hypotheses in expected for h in hypotheses], abs=1e-5
    )


def test_float64_on_the_emulated_device_is_an_error():
    """The emulation notices what it is for."""
    with emulated_device(), pytest.raises(TypeError, match="has no float64"):
        Elsewhere(torch.zeros(2)).double()
    with emulated_device(), pytest.raises(TypeError, match="has no float64"):
        torch.zeros(2, dtype=torch.float64, device=PLACE)
    with (
        pytest.raises(TypeError, match="has no float64"),
        emulated_device(),
    ):  # as when the search did not ask for the device's types
        searched(DecodeOptions(beam=2), elsewhere=True)


@torch.no_grad()
def test_phrase_scores_equal_those_on_the_cpu(no_float64):
    inputs, phrases = states()[0][0], [[3, 4], [5, 6, 7]]
    expected = score_phrases.__wrapped__(reader(), inputs, phrases, 0.3)
    with emulated_device(), sdpa_kernel(SDPBackend.MATH):
        elsewhere = score_phrases.__wrapped__(moved(reader()), Elsewhere(inputs), phrases, 0.3)
    assert elsewhere == pytest.approx(expected, abs=1e-5)


def test_apples_gpu_is_listed():
    assert machine.exact_device(torch.device("mps")) == torch.device("cpu")
    assert machine.exact_device(torch.device("cuda:1")) == torch.device("cuda:1")
