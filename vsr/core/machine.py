"""The resources of this machine (cores, memory, GPUs), and how libraries share the cores."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from vsr.core.errors import VsrError

FILES_A_PROCESS = 4  # at least: starting a process takes as long as reading eight clips of 3 s
AUTO, FLOAT32, BFLOAT16, INT8 = "auto", "float32", "bfloat16", "int8"
PRECISIONS = (AUTO, FLOAT32, BFLOAT16, INT8)
WITHOUT_FLOAT64 = ("mps",)  # kinds of devices
CGROUP = Path("/sys/fs/cgroup")  # a container's limits, where it has any


def cores() -> int:
    """Number of cores that this process may use, at least 1; a container's limit on processor time counts."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = (CGROUP / "cpu.max").read_text().split()
        count = min(count, round(int(quota) / int(period)))  # "max" is not a number: no limit
    return max(1, count)


def free_memory() -> int:
    """Bytes that new processes may take; 0 if the system does not say."""
    free = 0
    with suppress(OSError, ValueError, LookupError):
        (line,) = [line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable:")]
        free = 1024 * int(line.split()[1])
    with suppress(OSError, ValueError):
        limit, used = ((CGROUP / name).read_text() for name in ("memory.max", "memory.current"))
        free = min(free, max(0, int(limit) - int(used)))
    return free


def return_freed_memory() -> None:
    """Give memory that is free within this process back to the system: after a film glibc keeps up to a gigabyte."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None:
        trim(0)


def processes_for(num_files: int, memory: int) -> int:
    """Number of processes to read ``num_files`` files: one per core, limited by work and ``memory`` bytes each."""
    most = max(1, min(cores(), num_files // FILES_A_PROCESS))
    free = free_memory() if most > 1 else 0
    return max(1, min(most, free // memory)) if free else most


def add_device_argument(parser, default: str = "cpu") -> None:
    """--device of a verb that runs a model."""
    choice = "auto: a GPU where there is one" if default == "auto" else default
    parser.add_argument(
        "--device",
        default=default,
        metavar="D",
        help=f"where the model runs: cpu, cuda, cuda:1, auto (default: {choice})",
    )


def find_device(name) -> str:
    """The name of a device that works; "auto" is the first GPU, or the CPU. Raises VsrError bad_options."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except (TypeError, RuntimeError) as error:
        problem = f"device {name} cannot be used: it can be cpu, cuda, cuda:1 or auto"
        raise VsrError("bad_options", problem) from error
    try:
        torch.zeros(1, device=device).item()  # "meta" holds no numbers
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # the last two: builds without it
        reason = str(error).splitlines()[0]
        raise VsrError("bad_options", f"device {name} cannot be used ({reason}): try cpu") from error
    return str(name)


def add_precision_argument(parser) -> None:
    """--precision of a verb that reads."""
    parser.add_argument(
        "--precision", choices=PRECISIONS, default=AUTO,
        help="precision of the layers (default: auto, lower than float32 only for large models, where that is faster; "
        "log-probabilities and scores are always float32 at least)",
    )  # fmt: skip


def check_precision(name: str) -> None:
    """Raise VsrError bad_options for an unknown precision."""
    if name not in PRECISIONS:
        raise VsrError("bad_options", f"precision is '{name}'; it can be {', '.join(PRECISIONS)}")


def exact_device(device: Any) -> Any:
    """The device for sums that need float64: the same, or the CPU for a device without float64 (Apple's GPU)."""
    import torch

    return torch.device("cpu") if device.type in WITHOUT_FLOAT64 else device


def wait_passively() -> None:
    """Let threads of OpenMP that wait for others sleep instead of spin; works only before PyTorch is loaded.

    Two threads that spin for each other while another process uses a core make reading many times slower; on an idle
    machine sleeping costs nothing measurable (tools/bench/busy_machine.py). `import vsr` calls this. Settings of the
    user stay: OMP_WAIT_POLICY=ACTIVE, or GOMP_SPINCOUNT, which overrides it.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def share_cores(threads: int = 0) -> None:
    """Let libraries that are not loaded yet use ``threads`` threads (0: their default).

    The products of numpy are too small here to gain from threads. Settings of the user stay.
    """
    wait_passively()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if threads:
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
        os.environ.setdefault("OPENCV_FOR_THREADS_NUM", str(threads))
