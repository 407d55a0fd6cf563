"""Batch normalisation with the statistics of all ranks, so that W processes equal one with W times the batch size."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm


def synchronise_batch_norm(model: nn.Module) -> nn.Module:
    """The model with every batch normalisation synchronised over all ranks; names and tensors stay.

    PyTorch's SyncBatchNorm runs only on GPUs, so `WorldBatchNorm` replaces it on the CPU.
    """
    if next(model.parameters()).is_cuda:
        return on_gpus(model)
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm):
                setattr(parent, name, WorldBatchNorm.of(child))
    return model


def on_gpus(model: nn.Module) -> nn.Module:
    """The model with PyTorch's SyncBatchNorm; keeps hooks, which the conversion drops and which may mask padding."""
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, _BatchNorm)}
    model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for name, layer in layers.items():
        converted = model.get_submodule(name)
        converted._forward_pre_hooks, converted._forward_hooks = layer._forward_pre_hooks, layer._forward_hooks
    return model


class WorldBatchNorm(_BatchNorm):
    """Batch normalisation (Ioffe and Szegedy 2015) of x (N, C, ...) over the N, ... of all ranks together."""

    @classmethod
    def of(cls, layer: _BatchNorm) -> WorldBatchNorm:
        """``layer`` as a `WorldBatchNorm` with the same tensors."""
        result = cls(layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
        result.__dict__.update(layer.__dict__)
        return result

    def _check_input_dim(self, x: Tensor) -> None:
        if x.dim() < 2:
            raise ValueError(f"expected at least 2 dimensions, got {x.dim()}")

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        channels = [1, -1] + [1] * (x.dim() - 2)
        axes = [axis for axis in range(x.dim()) if axis != 1]
        count = x.new_tensor(x.numel() / x.shape[1], dtype=torch.float32)
        dist.all_reduce(count)
        mean = all_reduce(x.float().sum(axes)) / count
        centred = x.float() - mean.view(channels)
        variance = all_reduce(centred.square().sum(axes)) / count
        self._follow(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale.view(channels) + self.bias.view(channels)).to(x.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
