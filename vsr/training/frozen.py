"""Frozen parts of a model, such as a frozen encoder: identified by their SHA-256 and never stored with a run.

A resumed run takes them from their source again, and is refused if they differ from those that it started with. Frozen
tensors are parameters without a gradient, and buffers of modules that have only such parameters and stay in evaluation
mode in training; statistics that a frozen layer still updates are not frozen.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MethodType

import torch
from torch import Tensor, nn

from vsr.core.errors import VsrError


def freeze(model: nn.Module, names: Iterable[str]) -> None:
    """Freeze the parts ``names`` of a model (``frontend``, ``decoder.embed``): their parameters have no gradient, and
    they stay in evaluation mode, so that dropout is off and statistics do not change.

    Raises VsrError bad_config for an unknown part, with a list of the parts, or where nothing is left to train.
    """
    for name in names:
        part = _part(model, name)
        part.requires_grad_(False).eval()
        part.train = MethodType(_stay, part)  # a copy of the part has its own
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise VsrError("bad_config", "trainer.freeze leaves nothing to train")


def _stay(part: nn.Module, mode: bool = True) -> nn.Module:
    """Replaces `nn.Module.train` of a frozen part: it stays in evaluation mode."""
    return nn.Module.train(part, False)


def _part(model: nn.Module, name: str) -> nn.Module:
    """The part of this name, which must have parameters. Raises VsrError bad_config with a list of such parts."""
    part, prefix = model, ""
    for child_name in name.split("."):
        parts = {child: module for child, module in part.named_children() if any(True for _ in module.parameters())}
        if child_name not in parts:
            known = ", ".join(prefix + child for child in parts) or "none"
            raise VsrError("bad_config", f"trainer.freeze: '{name}' is no part of this model; it has {known}")
        part, prefix = parts[child_name], f"{prefix}{child_name}."
    return part


def frozen_names(model: nn.Module) -> list[str]:
    """Names of the frozen tensors in ``model.state_dict()``. Puts the model in training mode."""
    model.train()
    frozen = {name for name, parameter in model.named_parameters(remove_duplicate=False) if not parameter.requires_grad}
    whole = {path for path, module in model.named_modules() if _untrained(module)}
    still = {path for path, module in model.named_modules() if not module.training and _inside(path, whole)}
    buffers = {name for name, _ in model.named_buffers(remove_duplicate=False) if name.rpartition(".")[0] in still}
    return [name for name in model.state_dict() if name in frozen | buffers]


def _untrained(module: nn.Module) -> bool:
    """Whether a module has parameters, but none that is trained."""
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


def _inside(path: str, frozen_paths: set[str]) -> bool:
    """Whether the module at ``path`` is in ``frozen_paths`` or inside of one that is."""
    parts = path.split(".")
    return any(".".join(parts[:count]) in frozen_paths for count in range(1, len(parts) + 1))


def alias(tensor: Tensor) -> Tensor:
    """A new parameter or tensor that shares the memory of ``tensor``."""
    return nn.Parameter(tensor.detach(), requires_grad=False) if isinstance(tensor, nn.Parameter) else tensor.detach()


def digests(state: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the tensors ``names`` with names, types and shapes, by top-level part of the model."""
    parts: dict[str, hashlib._Hash] = defaultdict(hashlib.sha256)
    for name in names:
        tensor = state[name].detach()
        digest = parts[name.partition(".")[0]]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).cpu().numpy().data)
    return {part: digest.hexdigest() for part, digest in parts.items()}


def check_same(current: Mapping[str, str], recorded: Mapping[str, str]) -> None:
    """Refuse frozen parts that differ from those that the run started with. Raises VsrError bad_model."""
    for part in recorded.keys() | current.keys():
        if part not in current:
            raise VsrError("bad_model", f"'{part}' was frozen when the run was begun, and is not here")
        if part not in recorded:
            raise VsrError("bad_model", f"'{part}' is frozen here, and was not when the run was begun")
        if current[part] != recorded[part]:
            hashes = f"SHA-256 {current[part][:12]}, not {recorded[part][:12]}"
            raise VsrError("bad_model", f"the frozen '{part}' is not the one that the run was begun with: {hashes}")
