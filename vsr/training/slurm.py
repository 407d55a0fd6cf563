"""The processes of one `srun`, by what SLURM says of the step.

Lightning's own plug-in goes by the job: it does not see a step of an interactive job (each process then trains alone,
into the same folder), refuses `srun -n 2`, and waits for ever in a batch script without `srun`.
"""

from __future__ import annotations

import os
import re

from vsr.core.errors import VsrError
from vsr.training.fabric import ClusterEnvironment, SLURMEnvironment

PORTS = range(15_000, 25_000)  # below those that Linux hands out by itself


class SlurmStep(ClusterEnvironment):
    """Ranks and addresses; ``MASTER_ADDR`` and ``MASTER_PORT`` are obeyed where the user sets them."""

    creates_processes_externally = True

    @staticmethod
    def detect() -> bool:
        """Whether `srun` started this process beside others; a step of one task is a shell like any other."""
        return int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1

    @staticmethod
    def forgotten() -> bool:
        """Whether this is a job on several machines, but no step of it: nobody runs on the other machines."""
        return "SLURM_STEP_ID" not in os.environ and int(os.environ.get("SLURM_NNODES", 1)) > 1

    @property
    def main_address(self) -> str:
        """The first machine of the step."""
        nodes = os.environ["SLURM_STEP_NODELIST"]
        return os.environ.get("MASTER_ADDR") or SLURMEnvironment.resolve_root_node_address(nodes)

    @property
    def main_port(self) -> int:
        """One for each step of each job, as they may share a machine."""
        own = 31 * int(os.environ["SLURM_JOB_ID"]) + int(os.environ["SLURM_STEP_ID"])
        return int(os.environ.get("MASTER_PORT") or PORTS[own % len(PORTS)])

    def world_size(self) -> int:
        """Processes of the step."""
        return int(os.environ["SLURM_STEP_NUM_TASKS"])

    def global_rank(self) -> int:
        """This process's, of all."""
        return int(os.environ["SLURM_PROCID"])

    def local_rank(self) -> int:
        """This process's, of those on its machine."""
        return int(os.environ["SLURM_LOCALID"])

    def node_rank(self) -> int:
        """This machine's."""
        return int(os.environ["SLURM_NODEID"])

    def set_world_size(self, size: int) -> None:
        """SLURM has decided."""

    def set_global_rank(self, rank: int) -> None:
        """SLURM has decided."""


def each_and_machines() -> tuple[int, int]:
    """(processes a machine, machines) of the step. Raises VsrError bad_config where machines have different numbers."""
    counts = os.environ["SLURM_STEP_TASKS_PER_NODE"]  # as 8(x3),4: three machines with 8, one with 4
    runs = [(int(each), int(times or 1)) for each, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", counts)]
    if len({each for each, _ in runs}) > 1:
        raise VsrError("bad_config", f"SLURM started {counts} processes, not the same number on every machine")
    return runs[0][0], sum(times for _, times in runs)
