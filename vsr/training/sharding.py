"""Shard the tensors of a model over all ranks (FSDP2), gather them, and shard saved state again.

Checkpoints hold whole tensors, so that a run can resume with another strategy and another number of ranks.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


def shard(model: nn.Module, mesh, entries: tuple[str, ...] = ()) -> nn.Module:
    """Shard a model over the ranks of a one-dimensional ``mesh``, in place; layers of a stack are gathered one by one.

    ``entries`` are methods besides forward that are called from outside.
    """
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    stacks = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    for stack in reversed(stacks):  # the innermost first
        for layer in stack:
            fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for name in entries:
        register_fsdp_forward_method(model, name)
    return model


def gather_whole(value: Any, keep: bool = True) -> Any:
    """A tree of tensors with every sharded tensor gathered on the CPU. All ranks call it, with the same tree; one that
    does not ``keep`` them gets None in their places, and never holds more than one of them."""
    if isinstance(value, DTensor):
        whole = value.full_tensor()
        return whole.cpu() if keep else None
    if isinstance(value, dict):
        return {key: gather_whole(item, keep) for key, item in value.items()}
    if isinstance(value, list):
        return [gather_whole(item, keep) for item in value]
    return value


def cut_like(value: Any, like: Any) -> Any:
    """A whole tensor sharded as ``like``, if that is sharded and of the same shape; else ``value`` unchanged."""
    if not isinstance(like, DTensor) or not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    # Every rank has read the whole tensor, so that none needs to send it.
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def cut_model(state: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """A state of whole tensors -> a state for ``model.load_state_dict``."""
    current = model.state_dict()
    return {name: cut_like(tensor, current.get(name)) for name, tensor in state.items()}


def cut_optimiser(state: dict[str, Any], optimiser) -> dict[str, Any]:
    """A state of whole tensors -> a state for ``optimiser.load_state_dict``."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    moments = {
        index: {key: cut_like(value, parameters[index]) for key, value in moment.items()}
        for index, moment in state["state"].items()
    }
    return state | {"state": moments}
