"""A model whose tensors lie in pieces on all ranks (FSDP2): how it is cut, put together and taken apart again.

Checkpoints hold whole tensors, so that a run goes on with another strategy and another number of ranks.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


def shard(model: nn.Module, mesh, entries: tuple[str, ...] = ()) -> nn.Module:
    """Cut a model over the ranks of a one-dimensional ``mesh``, in place; every layer of a stack is gathered apart.

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


def whole(value: Any) -> Any:
    """A tree of tensors with every cut one put together, on the CPU. All ranks call it, with the same tree."""
    if isinstance(value, DTensor):
        return value.full_tensor().cpu()
    if isinstance(value, dict):
        return {key: whole(own) for key, own in value.items()}
    if isinstance(value, list):
        return [whole(own) for own in value]
    return value


def cut_like(value: Any, like: Any) -> Any:
    """A whole tensor cut as ``like`` is, if that is cut and of the same shape; else as it comes."""
    if not isinstance(like, DTensor) or not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    # Every rank has read the whole tensor: nobody need send it.
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def cut_model(state: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """A state of whole tensors -> what ``model.load_state_dict`` takes."""
    own = model.state_dict()
    return {name: cut_like(tensor, own.get(name)) for name, tensor in state.items()}


def cut_optimiser(state: dict[str, Any], optimiser) -> dict[str, Any]:
    """A state of whole tensors -> what ``optimiser.load_state_dict`` takes."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    moments = {
        index: {key: cut_like(value, parameters[index]) for key, value in own.items()}
        for index, own in state["state"].items()
    }
    return state | {"state": moments}
