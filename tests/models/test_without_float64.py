"""Devices without float64, such as Apple's GPU, which no machine of ours has: one is made up, and the search on it says
what it says on the CPU.

`Elsewhere` is a tensor that says it lies on "meta" and keeps its numbers on the CPU. What is computed there meets only
its own kind, as on a real device, and a float64 tensor there is an error.
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
    """A tensor on the device that was made up."""

    @staticmethod
    def __new__(cls, own):
        if own.dtype == torch.float64:
            raise TypeError("this device has no float64")
        made = torch.Tensor._make_wrapper_subclass(
            cls, own.shape, strides=own.stride(), storage_offset=own.storage_offset(), dtype=own.dtype, device=PLACE
        )
        made.own = own
        return made

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
def device_at_hand():
    """New tensors that are asked for on that device are made there."""
    with Factory(), Literals():
        yield


class Factory(TorchDispatchMode):
    """Of all other ways to make one."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, dict(kwargs or {}))


def _run(func, args, kwargs):
    flat = [own for own in tree_flatten((args, kwargs))[0] if isinstance(own, torch.Tensor)]
    there = any(isinstance(own, Elsewhere) for own in flat)
    if there and func is not torch.ops.aten.copy_.default:
        assert all(isinstance(own, Elsewhere) or own.dim() == 0 for own in flat), f"{func} mixes two devices"
    target = kwargs.get("device")
    if target is not None:
        kwargs["device"] = torch.device("cpu")
        there = target == PLACE
    found = func(*tree_map(_own, args), **tree_map(_own, kwargs))
    if func is torch.ops.aten._local_scalar_dense.default:
        return found
    return tree_map(lambda own: Elsewhere(own) if there and type(own) is torch.Tensor else own, found)


def _own(value):
    return value.own if isinstance(value, Elsewhere) else value


def moved(module: nn.Module) -> nn.Module:
    """The same module with all that it holds there."""
    for own in module.modules():
        for name, value in list(own._parameters.items()):
            if value is not None:
                own._parameters[name] = nn.Parameter(Elsewhere(value.detach().clone()), requires_grad=False)
    return module


@pytest.fixture(autouse=True)
def nothing_is_kept():
    """Position codes of that device are not for other tests."""
    yield
    _rates.cache_clear()


@pytest.fixture
def no_float64(monkeypatch):
    """The made-up device is known to have none."""
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
def searched(options, there):
    own, lm, (given, lengths) = reader(), language(), states()
    if there:
        own, lm, given, lengths = moved(own), moved(lm), Elsewhere(given), Elsewhere(lengths)
    with sdpa_kernel(SDPBackend.MATH):
        return decode.__wrapped__(own, given, lengths, options, 10, [(0.3, NeuralLanguage(lm))])


@pytest.mark.parametrize("method", ["joint", "attention", "ctc_beam", "ctc_greedy"])
def test_the_search_says_what_it_says_on_the_cpu(no_float64, method):
    options = DecodeOptions(method, beam=4, nbest=3)
    plain = searched(options, there=False)
    with device_at_hand():
        found = searched(options, there=True)
    assert [[h.tokens for h in own] for own in found] == [[h.tokens for h in own] for own in plain]
    assert [h.score for own in found for h in own] == pytest.approx([h.score for own in plain for h in own], abs=1e-5)


def test_a_float64_there_is_an_error():
    """The made-up device can find what it is for."""
    with device_at_hand(), pytest.raises(TypeError, match="has no float64"):
        Elsewhere(torch.zeros(2)).double()
    with device_at_hand(), pytest.raises(TypeError, match="has no float64"):
        torch.zeros(2, dtype=torch.float64, device=PLACE)
    with pytest.raises(TypeError, match="has no float64"), device_at_hand():  # as the search was before it asked
        searched(DecodeOptions(beam=2), there=True)


@torch.no_grad()
def test_phrases_are_scored_there(no_float64):
    given, phrases = states()[0][0], [[3, 4], [5, 6, 7]]
    plain = score_phrases.__wrapped__(reader(), given, phrases, 0.3)
    with device_at_hand(), sdpa_kernel(SDPBackend.MATH):
        found = score_phrases.__wrapped__(moved(reader()), Elsewhere(given), phrases, 0.3)
    assert found == pytest.approx(plain, abs=1e-5)


def test_the_real_list_names_apples_gpu():
    assert machine.exact_device(torch.device("mps")) == torch.device("cpu")
    assert machine.exact_device(torch.device("cuda:1")) == torch.device("cuda:1")
