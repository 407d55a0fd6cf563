"""What of a model is not trained, such as a frozen encoder: known by its SHA-256 and never stored with a run.

A run that goes on takes it again from where it came, and is refused where that is not what it was begun with. Frozen
are parameters without a gradient, and the buffers of modules that have only such parameters and stay in evaluation mode
in training; statistics that a frozen layer still gathers are no part of it.
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
    """Leave the parts ``names`` of a model (``frontend``, ``decoder.embed``) out of training: their parameters have no
    gradient, and they stay in evaluation mode, so that dropout is off and statistics are those they came with.

    Raises VsrError bad_config where there is no such part, with those that there are, or nothing is left to train.
    """
    for name in names:
        part = _part(model, name)
        part.requires_grad_(False).eval()
        part.train = MethodType(_stay, part)  # a copy of the part has its own
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise VsrError("bad_config", "trainer.freeze leaves nothing to train")


def _stay(part: nn.Module, mode: bool = True) -> nn.Module:
    """In place of `nn.Module.train` of a frozen part."""
    return nn.Module.train(part, False)


def _part(model: nn.Module, name: str) -> nn.Module:
    """The part of this name, with parameters. Raises VsrError bad_config with the parts that have some."""
    found, above = model, ""
    for word in name.split("."):
        parts = {own: module for own, module in found.named_children() if any(True for _ in module.parameters())}
        if word not in parts:
            known = ", ".join(above + own for own in parts) or "none"
            raise VsrError("bad_config", f"trainer.freeze: '{name}' is no part of this model; it has {known}")
        found, above = parts[word], f"{above}{word}."
    return found


def frozen_names(model: nn.Module) -> list[str]:
    """Names of the tensors of ``model.state_dict()`` that training leaves alone. Puts the model in training mode."""
    model.train()
    frozen = {name for name, own in model.named_parameters(remove_duplicate=False) if not own.requires_grad}
    whole = {place for place, module in model.named_modules() if _untrained(module)}
    still = {place for place, module in model.named_modules() if not module.training and _inside(place, whole)}
    buffers = {name for name, _ in model.named_buffers(remove_duplicate=False) if name.rpartition(".")[0] in still}
    return [name for name in model.state_dict() if name in frozen | buffers]


def _untrained(module: nn.Module) -> bool:
    """Whether a module has parameters, and none of them is trained."""
    own = list(module.parameters())
    return bool(own) and not any(parameter.requires_grad for parameter in own)


def _inside(place: str, whole: set[str]) -> bool:
    """Whether the module at ``place`` is one of ``whole`` or a part of one."""
    parts = place.split(".")
    return any(".".join(parts[:count]) in whole for count in range(1, len(parts) + 1))


def alias(tensor: Tensor) -> Tensor:
    """Another parameter or buffer on the same memory."""
    return nn.Parameter(tensor.detach(), requires_grad=False) if isinstance(tensor, nn.Parameter) else tensor.detach()


def digests(state: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, str]:
    """Part of the model, the first part of the names -> SHA-256 of its tensors, with their names, types and shapes."""
    parts: dict[str, hashlib._Hash] = defaultdict(hashlib.sha256)
    for name in names:
        tensor = state[name].detach()
        found = parts[name.partition(".")[0]]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.contiguous().reshape(-1).view(torch.uint8).cpu().numpy().data)
    return {part: found.hexdigest() for part, found in parts.items()}


def check_same(found: Mapping[str, str], begun: Mapping[str, str]) -> None:
    """Refuse frozen parts that are not those that a run was begun with. Raises VsrError bad_model."""
    for part in begun.keys() | found.keys():
        if part not in found:
            raise VsrError("bad_model", f"'{part}' was frozen when the run was begun, and is not here")
        if part not in begun:
            raise VsrError("bad_model", f"'{part}' is frozen here, and was not when the run was begun")
        if found[part] != begun[part]:
            hashes = f"SHA-256 {found[part][:12]}, not {begun[part][:12]}"
            raise VsrError("bad_model", f"the frozen '{part}' is not the one that the run was begun with: {hashes}")
