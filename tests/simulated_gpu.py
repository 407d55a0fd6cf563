"""A simulated GPU: tensors on ``cuda:0`` that compute on the CPU.

Tensors of both devices in one operator are refused as on a real GPU. So tests find values that were left on the wrong
device, on machines without a GPU. Kernels, precision and speed are not simulated, and other threads do not take part.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

GPU = torch.device("cuda:0")
STAND_IN = torch.device("meta")  # the device that PyTorch's C++ code sees
FROM_DATA = (torch.tensor, torch.as_tensor, torch.asarray, torch.from_numpy)
# A GPU copies between devices, and takes indices from the CPU.
BETWEEN_DEVICES = ("aten::_to_copy", "aten::copy_", "aten::index", "aten::index_put", "aten::index_put_",
                   "aten::_index_put_impl_")  # fmt: skip


class GpuTensor(torch.Tensor):
    """A tensor on the simulated GPU; ``on_cpu`` holds its values."""

    on_cpu: torch.Tensor

    @staticmethod
    def __new__(cls, on_cpu: torch.Tensor):
        with torch.inference_mode(False):  # a view of a weight must be the same kind of tensor as the weight
            tensor = torch.Tensor._make_wrapper_subclass(
                cls, on_cpu.size(), strides=on_cpu.stride(), storage_offset=on_cpu.storage_offset(),
                dtype=on_cpu.dtype, layout=on_cpu.layout, device=STAND_IN,
            )  # fmt: skip
        tensor.on_cpu = on_cpu
        return tensor

    device = property(lambda self: GPU)
    is_cuda = property(lambda self: True)
    is_meta = property(lambda self: False)

    def numpy(self, *args: Any, **options: Any):
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")

    def __array__(self, *args: Any, **options: Any):
        return self.numpy()

    def __repr__(self, **options: Any) -> str:
        return f"GpuTensor({self.on_cpu!r})"

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return compute(func, args, kwargs or {})


def compute(func: Any, args: tuple, kwargs: dict) -> Any:
    """Run an operator on the CPU; its tensors are on the GPU if its inputs are or its ``device`` is."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    device, has_gpu = kwargs.get("device"), any(isinstance(tensor, GpuTensor) for tensor in tensors)
    if has_gpu and func._schema.name not in BETWEEN_DEVICES:
        check_same_device(func, tensors)
    on_cpu, options = tree_map(lambda leaf: leaf.on_cpu if isinstance(leaf, GpuTensor) else leaf, (args, kwargs))
    if device == STAND_IN:
        options["device"] = torch.device("cpu")
    results = func(*on_cpu, **options)
    if not (has_gpu if device is None else device == STAND_IN):
        return results
    results = tree_map(lambda leaf: GpuTensor(leaf) if isinstance(leaf, torch.Tensor) else leaf, results)
    return return_and_correct_aliasing(func, args, kwargs, results)


def check_same_device(func: Any, tensors: list[torch.Tensor]) -> None:
    """Raise as PyTorch does if a tensor of the CPU is more than a single number."""
    if any(not isinstance(tensor, GpuTensor) and tensor.dim() for tensor in tensors):
        raise RuntimeError(f"Expected all tensors to be on the same device, but found cuda:0 and cpu! ({func})")


class Operators(TorchDispatchMode):
    """Sends every operator to `compute`."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        with self:  # in inference mode, composite operators arrive whole
            results = func.decompose(*args, **(kwargs or {}))
        return compute(func, args, kwargs or {}) if results is NotImplemented else results


class Functions(TorchFunctionMode):
    """Replaces the GPU by its stand-in in the arguments of functions, before PyTorch looks for a driver."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in FROM_DATA and is_gpu(kwargs.get("device")):
            del kwargs["device"]
            return func(*args, **kwargs).to(STAND_IN)
        if func is torch.Tensor.new_tensor and isinstance(args[0], GpuTensor) and not kwargs:
            return torch.tensor(args[1], dtype=args[0].dtype).to(STAND_IN)
        if func is torch.Tensor.cuda:
            return args[0].to(STAND_IN)
        if func is torch.Tensor.tolist and isinstance(args[0], GpuTensor):
            return args[0].detach().cpu().tolist()
        args, kwargs = tree_map(lambda leaf: STAND_IN if is_gpu(leaf) else leaf, (args, kwargs))
        return func(*args, **kwargs)


def is_gpu(value: Any) -> bool:
    """Whether an argument names the GPU."""
    return isinstance(value, (str, torch.device)) and str(value).startswith("cuda")


@contextmanager
def simulated_gpu() -> Iterator[torch.device]:
    """In its block, in this thread, "cuda" is the simulated GPU."""
    with Functions(), Operators():
        yield GPU
