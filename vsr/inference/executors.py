"""Executors for the work on a corpus: processes of this machine, or a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vsr.core.errors import VsrError

if TYPE_CHECKING:
    from vsr.core.progress import Watch
    from vsr.data.cropping import Outcome
    from vsr.data.manifest import Clip
    from vsr.inference.bulk import Settings
    from vsr.output.transcript import Transcript

ENGINES = ("local", "ray")


class Engine(Protocol):
    """Every item yields one result, even if the process or machine working on it dies."""

    def crop(self, clips: Sequence[Clip], out_dir: Path, store: str = "npy") -> Iterator[Outcome]:
        """Crop clips into a folder; files are written atomically."""

    def transcribe(self, paths: Sequence[str], settings: Settings, watch: Watch | None = None) -> Iterator[Transcript]:
        """Transcripts in the order of the files; a file that fails yields its error."""


@dataclass(frozen=True)
class Local:
    """``jobs`` processes of this machine; None: as many as suit it."""

    jobs: int | None = 1

    def crop(self, clips: Sequence[Clip], out_dir: Path, store: str = "npy") -> Iterator[Outcome]:
        from vsr.data.cropping import crop_in_processes

        return crop_in_processes(clips, out_dir, self.jobs, store)

    def transcribe(self, paths: Sequence[str], settings: Settings, watch: Watch | None = None) -> Iterator[Transcript]:
        from vsr.inference.bulk import default_jobs, transcribe_files

        return transcribe_files(paths, settings, self.jobs or default_jobs(len(paths), settings), watch)


def open_engine(name: str, jobs: int | None, address: str | None) -> Engine:
    """The engine of that name. Raises VsrError no_cluster if Ray is missing or does not answer, bad_options."""
    if name == "ray":
        from vsr.inference.ray_cluster import RayCluster

        return RayCluster(address, jobs)
    if address:
        raise VsrError("bad_options", "--address is for a Ray cluster: add --engine ray")
    return Local(jobs)
