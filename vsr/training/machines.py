"""Processes of a run: a single one, several on one machine, or many machines under torchrun or SLURM.

Ranks and addresses are read by Fabric's plug-in for torchrun and our own for SLURM.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vsr.core.errors import VsrError, one_line
from vsr.core.worker import ranks_follow
from vsr.training.connecting import tell_waiting
from vsr.training.fabric import (
    ClusterEnvironment,
    Fabric,
    LightningEnvironment,
    ModelParallelStrategy,
    TorchElasticEnvironment,
    rank_zero_only,
)
from vsr.training.slurm import SlurmStep, each_and_machines

if TYPE_CHECKING:
    from torch import nn

    from vsr.training.config import TrainerConfig


def open_fabric(trainer: TrainerConfig, entries: tuple[str, ...] = ()) -> Fabric:
    """The Fabric of a run, not launched yet; ``entries`` are the model's methods that a step calls.

    Raises VsrError bad_config when the machine cannot provide what the configuration requires.
    """
    with raised_by_rank_zero():
        devices, nodes = processes(trainer)
    started_by = environment()
    if devices > 1 and isinstance(started_by, LightningEnvironment):
        ranks_follow()
    strategy = trainer.strategy if devices * nodes > 1 else "auto"
    if strategy == "fsdp":
        strategy = sharding_strategy(devices * nodes, entries)
    try:
        return Fabric(
            accelerator=trainer.accelerator, devices=devices, num_nodes=nodes, strategy=strategy,
            precision=precision(trainer), plugins=started_by,
        )  # fmt: skip
    except (ValueError, RuntimeError, TypeError, ImportError) as error:
        raise VsrError("bad_config", f"trainer: {one_line(error)}") from error


def processes(trainer: TrainerConfig) -> tuple[int, int]:
    """(processes per machine, machines), as started by torchrun or SLURM, else by the configuration.

    Raises VsrError bad_config where the configuration contradicts torchrun or SLURM.
    """
    started = _launcher()
    if started is None:
        return trainer.devices, trainer.num_nodes
    name, *sizes = started
    for key, configured, actual in zip(
        ("devices", "num_nodes"), (trainer.devices, trainer.num_nodes), sizes, strict=True
    ):
        if configured not in (1, actual):
            raise VsrError("bad_config", f"trainer.{key} is {configured}, but {name} started the run with {actual}")
    return sizes[0], sizes[1]


def _launcher() -> tuple[str, int, int] | None:
    """The launcher of this process, processes per machine, and machines; None without a launcher."""
    env = os.environ
    if TorchElasticEnvironment.detect():
        world, local = int(env["WORLD_SIZE"]), int(env.get("LOCAL_WORLD_SIZE", 1))
        if world % local:
            raise VsrError("bad_config", f"torchrun started {world} processes, not the same number on every machine")
        return "torchrun", local, world // local
    if SlurmStep.detect():
        return "SLURM", *each_and_machines()
    if SlurmStep.is_outside_step():
        fault = f"the job has {env['SLURM_NNODES']} machines, but runs on this one alone: put srun before the command"
        raise VsrError("bad_config", fault)
    return None


def check_single_process(what: str) -> None:
    """Raises VsrError bad_config where torchrun or SLURM started several processes of a training that has one: each
    would train the same model, into the same folder."""
    if (started := _launcher()) and started[1] * started[2] > 1:
        name, each, machines = started
        raise VsrError("bad_config", f"{what} trains in one process, but {name} started {each * machines}")


def environment() -> ClusterEnvironment:
    """The environment that assigns ranks: torchrun, SLURM, or Fabric itself, which starts processes on one machine."""
    if TorchElasticEnvironment.detect():
        return TorchElasticEnvironment()
    return SlurmStep() if SlurmStep.detect() else LightningEnvironment()


def precision(trainer: TrainerConfig) -> str:
    """Fabric's precision; "auto" is bf16 with fp32 weights on a GPU and fp32 on a CPU, where bf16 saves nothing."""
    import torch

    if trainer.precision != "auto":
        return trainer.precision
    return "bf16-mixed" if trainer.accelerator != "cpu" and torch.cuda.is_available() else "32-true"


def sharding_strategy(world: int, entries: tuple[str, ...]) -> ModelParallelStrategy:
    """Strategy that shards weights, gradients and optimiser over all ranks (FSDP2; Zhao et al. 2023)."""
    from vsr.training.sharding import shard

    def spread(model, mesh):
        return shard(model, mesh["data_parallel"], entries)

    return ModelParallelStrategy(spread, data_parallel_size=world, tensor_parallel_size=1)


@contextmanager
def errors_on_all_ranks(fabric: Fabric) -> Iterator[None]:
    """A VsrError on any rank ends all ranks; one line reports it, from rank 0 or else from the first rank that failed.

    Code inside must not wait for another rank.
    """
    import torch.distributed as dist

    problem: VsrError | None = None
    problems: list[VsrError | None] = [None] * fabric.world_size
    try:
        yield
    except VsrError as error:
        problem = problems[0] = error
    if fabric.world_size > 1:
        dist.all_gather_object(problems, problem)
    failed = [(rank, error) for rank, error in enumerate(problems) if error is not None]
    if not failed:
        return
    if not fabric.is_global_zero:
        raise SystemExit(1)
    rank, first = failed[0]
    raise first if rank == 0 else VsrError(first.reason, f"rank {rank}: {first}")


@contextmanager
def raised_by_rank_zero() -> Iterator[None]:
    """A VsrError before the ranks are connected is reported by rank 0 alone, even one that it does not meet itself."""
    try:
        yield
    except VsrError as error:
        if rank_zero_only.rank:
            tell_waiting(error)
            raise SystemExit(1) from None
        raise


def shared_figures(
    fabric: Fabric, seconds: float, asked: bool, figures: dict[str, float]
) -> tuple[float, bool, dict[str, float]]:
    """Seconds of rank 0 and whether any rank was ``asked`` to end, so that all ranks end after the same step, and means
    of the figures over the ranks.

    All ranks call it, with the same names.
    """
    import torch

    if fabric.world_size == 1:
        return seconds, asked, figures
    values = torch.tensor([seconds * fabric.is_global_zero, asked, *figures.values()], dtype=torch.float64)
    first, asks, *sums = fabric.all_reduce(values.to(fabric.device), reduce_op="sum").tolist()
    means = {name: total / fabric.world_size for name, total in zip(figures, sums, strict=True)}
    return first, asks > 0, means


def check_gradients(fabric: Fabric, wrapped: nn.Module, model: nn.Module) -> None:
    """After the first step with a whole model on each of several ranks: these wait for the gradients of all trained
    parameters of ``wrapped``, and the next step would end in a traceback if some had none.

    Raises VsrError bad_config that names their parts of ``model``.
    """
    from torch.distributed.tensor import DTensor

    parameters = list(wrapped.parameters())
    if fabric.world_size == 1 or any(isinstance(parameter, DTensor) for parameter in parameters):
        return
    missing = {id(parameter) for parameter in parameters if parameter.requires_grad and parameter.grad is None}
    parts = dict.fromkeys(name.partition(".")[0] for name, own in model.named_parameters() if id(own) in missing)
    with errors_on_all_ranks(fabric):
        if parts:
            problem = "on several ranks every trained part needs a gradient, and this loss gives none to"
            advice = "name what it does not train in trainer.freeze"
            raise VsrError("bad_config", f"{problem} {', '.join(parts)}: {advice}")
