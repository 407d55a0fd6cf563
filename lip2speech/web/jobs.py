"""What a visitor may ask for, and one video on its way from upload to result.

A job is worked on in the worker's thread and looked at from the server's; only the worker writes its progress.
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

from lip2speech.inference.options import NONE
from vsr.core.errors import VsrError
from vsr.core.numbers import NOT_NEGATIVE, POSITIVE, check_number
from vsr.output.transcript import Transcript

PATIENCE = 900.0  # seconds after which a job is given up
STAGES = ("waiting", "loading", "faces", "reading", "voice", "done")


@dataclass(frozen=True)
class Limits:
    """What a visitor may ask for. max_mb: size of a file; max_seconds: length of a video or reference; queue: jobs
    that may wait beside the one in work; keep_minutes: age at which uploads and results are removed."""

    max_mb: int = 100
    max_seconds: float = 60.0
    queue: int = 16
    keep_minutes: float = 30.0

    @property
    def room(self) -> int:
        """Bytes of uploads and results that are kept at a time."""
        return 4 * (self.queue + 4) * self.max_mb * 2**20

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            allowed = NOT_NEGATIVE if name == "queue" else POSITIVE
            check_number(f"--{name.replace('_', '-')}", value, allowed, "bad_options")


@dataclass(frozen=True)
class Face:
    """One face that was read. transcript: its words alone, in the time of the video; portrait: data URL, or "" where
    nobody needs telling apart; voiced: whether its voice is there; number: what the JSON calls it; note: by what its
    voice was shaped."""

    transcript: Transcript
    portrait: str = ""
    voiced: bool = False
    number: int = 0
    note: str = ""


@dataclass(eq=False)
class Job:
    """One video on its way.

    Attributes:
        folder: of its results; named so that nobody guesses it, and gone once the job is dropped.
        desk: folder on the same disk in which results are written before they take their names.
        source, reference: own copies of what was given; text: what is said, as `lip2speech speak --text` takes it.
        stage, share: of `STAGES`, and how much of that is done, None where nobody knows.
        faces: those that have been read; left_out: how many more there are, which are not shown;
            broken: what is damaged of its video.
        chosen: the face that its visitor looks at.
        early: seconds by which the copy that is played runs before the video's own clock.
        aspect: width of the frame by its height.
        dropped: nobody waits any more.
        begun: when the work began, seconds of `time.monotonic`.
    """

    folder: Path
    source: Path
    reference: Path | None = None
    desk: Path | None = None
    text: str = NONE
    stage: str = "waiting"
    share: float | None = None
    faces: list[Face] = field(default_factory=list)
    left_out: int = 0
    broken: str = ""
    chosen: int = 0
    early: float = 0.0
    aspect: float = 1.0
    dropped: bool = False
    begun: float = 0.0

    @property
    def token(self) -> str:
        """What its results are asked for by."""
        return self.folder.name

    @property
    def name(self) -> str:
        """The file's name as its owner knows it."""
        return self.source.name

    def enter(self, stage: str, share: float | None = None) -> None:
        """Go on to a stage, or further in it. Raises `Dropped`, or VsrError too_slow."""
        if self.dropped:
            raise Dropped
        if time.monotonic() - self.begun > PATIENCE:
            raise VsrError("too_slow", f"{self.name}: stopped after {PATIENCE / 60:.0f} minutes of work")
        self.stage, self.share = stage, share

    @contextmanager
    def result(self, name: str) -> Iterator[Path]:
        """Yield where to write the result ``name``, which it becomes when it is whole.

        A dropped job's folder stays gone: raises `Dropped`, and nothing is left.
        """
        with tempfile.TemporaryDirectory(dir=self.desk) as folder:
            yield Path(folder) / name
            if self.dropped:
                raise Dropped
            try:
                os.replace(Path(folder) / name, self.folder / name)
            except FileNotFoundError:
                raise Dropped from None

    def state(self) -> tuple:
        """What a visitor can see of it; differs when that has changed."""
        return self.stage, self.share, tuple(self.faces)


class Dropped(Exception):
    """Nobody waits for the job any more."""
