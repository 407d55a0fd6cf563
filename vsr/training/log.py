"""Log of the steps of a training run: a line in log/steps.tsv, and points in TensorBoard at the end of the epoch.

A run resumed from a checkpoint repeats the steps after it: their lines are dropped first, so that every step appears
once.
"""

from __future__ import annotations

import io
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from vsr.core.files import append_line, atomic_write, write_lines

STEPS_FILE = "log/steps.tsv"
FIXED = ("step", "epoch", "lr", "grad_norm")
POINTS = ("lr", "grad_norm")  # and the rate; TensorBoard has losses by epoch


class StepLog:
    """The steps of one run.

    Args:
        folder: of the run.
        step: number of steps done; lines of later steps are dropped.
        epoch: the running epoch, from 1, whose steps are not in TensorBoard yet.
        unit: unit of the batch size, such as frames.
    """

    def __init__(self, folder: str | Path, step: int, epoch: int, unit: str):
        self.path, self.rate = Path(folder) / STEPS_FILE, f"{unit}_per_s"
        self.names, rows = read_steps(self.path)
        past = [row for row in rows if int(row[0]) <= step]
        if self.path.is_file():  # also drops a last line that a kill cut short
            write_lines(self.path, ["\t".join(row) for row in (self.names, *past) if row])
        self.waiting = [dict(zip(self.names, row, strict=False)) for row in past if int(row[1]) == epoch]
        self.at = time.monotonic()

    def add(self, step: int, epoch: int, lr: float, norm: float, amount: int, losses: Mapping[str, float]) -> None:
        """Log a step: learning rate, gradient norm before clipping, size of its batches (``amount``), losses.

        Raises VsrError not_writable, no_space.
        """
        now = time.monotonic()
        rate, self.at = amount / max(now - self.at, 1e-6), now
        row = {"step": step, "epoch": epoch, "lr": f"{lr:.4e}", "grad_norm": f"{norm:.4f}", self.rate: f"{rate:.0f}"}
        row |= {name: f"{value:.5f}" for name, value in losses.items()}
        self._write({name: str(value) for name, value in row.items()})

    def _write(self, row: dict[str, str]) -> None:
        if not set(row) <= set(self.names):  # losses may be added later, such as a discriminator's
            self._rename([*self.names, *(name for name in row if name not in self.names)])
        append_line(self.path, "\t".join(row.get(name, "") for name in self.names))
        self.waiting.append(row)

    def _rename(self, names: list[str]) -> None:
        """Rewrite the file with further columns."""
        rows = read_steps(self.path)[1]
        self.names = names
        write_lines(self.path, ["\t".join(names), *("\t".join(row) for row in rows)])

    def points(self) -> list[tuple[str, float, int]]:
        """Points (name, value, step) since the last call, for TensorBoard."""
        waiting, self.waiting = self.waiting, []
        names = (*POINTS, self.rate)
        return [(name, float(row[name]), int(row["step"])) for row in waiting for name in names if row.get(name)]

    def pause_over(self) -> None:
        """Restart the clock, so that validation and saving do not count as time of the next step."""
        self.at = time.monotonic()


def read_steps(path: str | Path) -> tuple[list[str], list[list[str]]]:
    """(names of the columns, rows) of a steps.tsv; a line that a kill cut short is left out."""
    path = Path(path)
    if not path.is_file():
        return [], []
    text = path.read_text(encoding="utf-8")
    names, *rows = [line.split("\t") for line in text[: text.rfind("\n") + 1].splitlines()] or [[]]
    return names, [row for row in rows if len(row) >= len(FIXED) and row[0].isdigit() and row[1].isdigit()]


def add_points(folder: Path, points: Sequence[tuple[str, float, int]]) -> None:
    """Write points (name, value, epoch or step) as a TensorBoard file, atomically, as the errors of TensorBoard's own
    threaded writer are lost. Raises VsrError not_writable, no_space."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter
    from torch.utils.tensorboard.summary import scalar

    now, content = time.time(), io.BytesIO()
    events = [Event(wall_time=now, step=step, summary=scalar(name, value)) for name, value, step in points]
    for event in (Event(wall_time=now, file_version="brain.Event:2"), *events):
        RecordWriter(content).write(event.SerializeToString())
    name = f"events.out.tfevents.{now:017.6f}.{socket.gethostname()}.{os.getpid()}"
    with atomic_write(folder / name) as temporary:
        temporary.write_bytes(content.getvalue())
