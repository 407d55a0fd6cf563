"""Limits of requests, and jobs: one video on its way from upload to result.

A job is processed in the worker's thread and read from the server's; only the worker writes its progress.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lip2speech.inference.synthesis_options import NONE
from vsr.core.errors import VsrError
from vsr.core.numbers import NOT_NEGATIVE, POSITIVE, check_number
from vsr.output.transcript import Transcript

PATIENCE = 900.0  # seconds after which a job is aborted
STAGES = ("waiting", "loading", "faces", "reading", "voice", "done")


@dataclass(frozen=True)
class Limits:
    """Limits of requests. max_mb: size of a file; max_seconds: length of a video or reference; queue: jobs that may
    wait beside the running one; keep_minutes: age at which uploads and results are removed."""

    max_mb: int = 100
    max_seconds: float = 60.0
    queue: int = 16
    keep_minutes: float = 30.0

    @property
    def room(self) -> int:
        """Bytes of disk space for uploads and results."""
        return 4 * (self.queue + 4) * self.max_mb * 2**20

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            allowed = NOT_NEGATIVE if name == "queue" else POSITIVE
            check_number(f"--{name.replace('_', '-')}", value, allowed, "bad_options")


@dataclass(frozen=True)
class Face:
    """One face that was read. transcript: its words, with times in the video; portrait: data URL, or "" for a single
    face; voiced: whether its voice is finished; number: of the face in the JSON; note: what shaped its voice."""

    transcript: Transcript
    portrait: str = ""
    voiced: bool = False
    number: int = 0
    note: str = ""


@dataclass(eq=False)
class Job:
    """One video from upload to result.

    Attributes:
        folder: of its results; its name cannot be guessed, and it is removed when the job is dropped.
        scratch: folder on the same disk in which results are written before they are renamed.
        source, reference: the job's copies of the uploads; text: the words, as for `lip2speech speak --text`.
        stage, share: of `STAGES`, and the share of it that is done, None if unknown.
        faces: those that have been read; left_out: number of further faces, which are not shown;
            broken: how the video is damaged, or "".
        selected: index of the face that the visitor has selected.
        lead: seconds by which the playable copy runs ahead of the video's own clock.
        aspect: width of the frame over its height.
        dropped: whether the result is no longer wanted.
        started_at: when the work began, seconds of `time.monotonic`.
    """

    folder: Path
    source: Path
    reference: Path | None = None
    scratch: Path | None = None
    text: str = NONE
    stage: str = "waiting"
    share: float | None = None
    faces: list[Face] = field(default_factory=list)
    left_out: int = 0
    broken: str = ""
    selected: int = 0
    lead: float = 0.0
    aspect: float = 1.0
    dropped: bool = False
    started_at: float = 0.0

    @property
    def token(self) -> str:
        """The name of its folder, in the URLs of its results."""
        return self.folder.name

    @property
    def name(self) -> str:
        """The name of the uploaded file."""
        return self.source.name

    def enter(self, stage: str, share: float | None = None) -> None:
        """Record progress to a stage, or within it. Raises `Dropped`, or VsrError too_slow."""
        if self.dropped:
            raise Dropped
        if time.monotonic() - self.started_at > PATIENCE:
            raise VsrError("too_slow", f"{self.name}: stopped after {PATIENCE / 60:.0f} minutes of work")
        self.stage, self.share = stage, share

    @contextmanager
    def result(self, name: str) -> Iterator[Path]:
        """Yield a temporary path for the result ``name``; the file is renamed once it is complete.

        The folder of a dropped job is not created again: raises `Dropped`, and no file is left.
        """
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            yield Path(folder) / name
            if self.dropped:
                raise Dropped
            try:
                os.replace(Path(folder) / name, self.folder / name)
            except FileNotFoundError:
                raise Dropped from None

    def state(self) -> tuple:
        """The state visible to a visitor, to detect changes."""
        return self.stage, self.share, tuple(self.faces)


class Dropped(Exception):
    """The result of the job is no longer wanted."""
