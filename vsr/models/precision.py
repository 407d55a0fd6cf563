"""Lower precision at inference: bfloat16 or int8 layers that replace those of a loaded model.

Their outputs are float32, so that normalisation, attention, the logits of the heads, log-probabilities and scores are
computed in float32. Only convolutions of a ResNet pass bfloat16 on to each other. Nothing here can be trained.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vsr.core.errors import VsrError
from vsr.core.machine import BFLOAT16, FLOAT32, INT8
from vsr.models.language import LanguageModel
from vsr.models.resnet3d import BasicBlock, ResNet3D

LEAST = 1e-8  # scale of a row of zeros


class BFloat16Linear(nn.Module):
    """A linear layer in bfloat16: (..., I) -> (..., O), with float32 input, output and accumulation."""

    def __init__(self, layer: nn.Linear):
        super().__init__()
        self.weight = _frozen(layer.weight)
        self.bias = None if layer.bias is None else _frozen(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.to(self.weight.dtype), self.weight, self.bias).float()


class Int8Linear(nn.Module):
    """A linear layer in int8: weights with a scale per output channel, inputs with a dynamic scale."""

    def __init__(self, layer: nn.Linear):
        super().__init__()
        weight = layer.weight.detach()
        scales = (weight.abs().amax(1) / 127).clamp(min=LEAST)
        zeros = torch.zeros(len(scales), dtype=torch.long)
        self.packed = torch.ops.quantized.linear_prepack(
            torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8), layer.bias
        )
        # Without VNNI, sums of two full products overflow 16 bits.
        self.narrow = not torch.cpu._is_vnni_supported()

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.quantized.linear_dynamic(x.float(), self.packed, self.narrow)


LAYERS: dict[str, Any] = {BFLOAT16: BFloat16Linear, INT8: Int8Linear}


def lower_precision(model: nn.Module, precision: str) -> nn.Module:
    """Replaces the layers of a lip reader or language model in eval mode by ones of ``precision``, in place.

    It changes front end, encoder and decoder layers; output layers and other heads stay unchanged.

    Raises:
        VsrError: bad_options for int8 on another device than the CPU.
    """
    if precision == FLOAT32:
        return model
    if precision == INT8 and next(model.parameters()).device.type != "cpu":
        raise VsrError("bad_options", "precision int8 works only on the CPU: use bfloat16 on this device")
    for part in _parts(model):
        _replace(part, LAYERS[precision])
        if precision == BFLOAT16 or native_bfloat16():
            _lower_convolutions(part)
    return model


def native_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware; otherwise it is slower than float32."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def native_int8() -> bool:
    """Whether the processor has int8 dot products (VNNI)."""
    return torch.cpu._is_vnni_supported()


def _parts(model: nn.Module) -> list[nn.Module]:
    """The networks of a model whose layers may be replaced."""
    if isinstance(model, LanguageModel):
        return [network for network in (model.enter, model.layers) if network is not None]
    readers = [getattr(model, name) for name in ("pixels", "tracks") if hasattr(model, name)] or [model]
    networks = [network for reader in readers for network in (reader.frontend, reader.encoder)]
    return networks + [reader.decoder.layers for reader in readers if reader.decoder is not None]


def _replace(module: nn.Module, kind: type[nn.Module]) -> None:
    """Replace linear layers by layers of ``kind``, but not inside library modules, which may access their layers."""
    containers = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
    library = type(module).__module__.partition(".")[0] in ("torch", "torchvision")
    if library and not isinstance(module, containers):
        return
    for name, child in module.named_children():
        if type(child) is nn.Linear:
            setattr(module, name, kind(child))
        else:
            _replace(child, kind)


def _lower_convolutions(module: nn.Module) -> None:
    """Convert the convolutions of a ResNet-3D to bfloat16, each fused with the normalisation after it."""
    if not isinstance(module, ResNet3D):
        return
    module.stem, module.stem_bn = _fused(module.stem, module.stem_bn), nn.Identity()
    module.stem_act.to(torch.bfloat16)
    for block in module.trunk:
        assert isinstance(block, BasicBlock)
        for number in ("1", "2"):
            conv, norm = getattr(block, f"conv{number}"), getattr(block, f"bn{number}")
            setattr(block, f"conv{number}", _fused(conv, norm))
            setattr(block, f"bn{number}", nn.Identity())
            getattr(block, f"act{number}").to(torch.bfloat16)
        if block.downsample is not None:
            block.downsample = nn.Sequential(_fused(*block.downsample))


def _fused(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    return fuse_conv_bn_eval(conv, norm).to(torch.bfloat16, memory_format=torch.channels_last)


def _frozen(parameter: Tensor) -> nn.Parameter:
    return nn.Parameter(parameter.detach().to(torch.bfloat16), requires_grad=False)
