"""Processes of one `srun`, from SLURM's environment variables of the step.

Lightning's plug-in reads those of the job instead: it does not recognise a step of an interactive job (each process
then trains alone, into the same folder), refuses `srun -n 2`, and hangs in a batch script without `srun`.
"""

from __future__ import annotations

import os
import re

from vsr.core.errors import VsrError
from vsr.training.fabric import ClusterEnvironment, SLURMEnvironment

PORTS = range(15_000, 25_000)  # below the ephemeral ports of Linux


class SlurmStep(ClusterEnvironment):
    """Ranks and addresses of a step; ``MASTER_ADDR`` and ``MASTER_PORT`` take precedence where the user sets them."""

    creates_processes_externally = True

    @staticmethod
    def detect() -> bool:
        """Whether `srun` started several processes; a step of one task counts as an ordinary shell."""
        return int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1

    @staticmethod
    def is_outside_step() -> bool:
        """Whether this is a job on several machines outside of a step, so that nothing runs on the other machines."""
        return "SLURM_STEP_ID" not in os.environ and int(os.environ.get("SLURM_NNODES", 1)) > 1

    @property
    def main_address(self) -> str:
        """Address of the first machine of the step."""
        nodes = os.environ["SLURM_STEP_NODELIST"]
        return os.environ.get("MASTER_ADDR") or SLURMEnvironment.resolve_root_node_address(nodes)

    @property
    def main_port(self) -> int:
        """Port that depends on job and step, as several steps may share a machine."""
        number = 31 * int(os.environ["SLURM_JOB_ID"]) + int(os.environ["SLURM_STEP_ID"])
        return int(os.environ.get("MASTER_PORT") or PORTS[number % len(PORTS)])

    def world_size(self) -> int:
        """Number of processes of the step."""
        return int(os.environ["SLURM_STEP_NUM_TASKS"])

    def global_rank(self) -> int:
        """Rank of this process among all."""
        return int(os.environ["SLURM_PROCID"])

    def local_rank(self) -> int:
        """Rank of this process on its machine."""
        return int(os.environ["SLURM_LOCALID"])

    def node_rank(self) -> int:
        """Rank of this machine."""
        return int(os.environ["SLURM_NODEID"])

    def set_world_size(self, size: int) -> None:
        """Does nothing: SLURM sets it."""

    def set_global_rank(self, rank: int) -> None:
        """Does nothing: SLURM sets it."""


def each_and_machines() -> tuple[int, int]:
    """(processes per machine, machines) of the step. Raises VsrError bad_config where the numbers differ."""
    counts = os.environ["SLURM_STEP_TASKS_PER_NODE"]  # as 8(x3),4: three machines with 8, one with 4
    runs = [(int(tasks), int(nodes or 1)) for tasks, nodes in re.findall(r"(\d+)(?:\(x(\d+)\))?", counts)]
    if len({tasks for tasks, _ in runs}) > 1:
        raise VsrError("bad_config", f"SLURM started {counts} processes, not the same number on every machine")
    return runs[0][0], sum(nodes for _, nodes in runs)
