"""Behind the page: one worker with the models, the line before it, and what becomes of one video.

A job is worked on in the worker's thread and looked at from the server's; only the worker writes to it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path

from lip2speech.web.media import playable_copy, video_seconds
from lip2speech.web.store import Store
from vsr.errors import VsrError
from vsr.files import write_text
from vsr.subtitles import WRITERS, to_vtt
from vsr.transcript import Segment, TimedWord, Transcript

MAX_FACES = 4  # faces of a video that are read and voiced
TICK = 0.25  # seconds between two looks at a job
PATIENCE = 900.0  # seconds after which a job is given up
FORMATS = ("srt", "vtt", "json", "txt")
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
            if not value > 0 and not (name == "queue" and value == 0):
                raise VsrError("bad_options", f"--{name.replace('_', '-')} is {value:g}; it must be above 0")


@dataclass(frozen=True)
class Face:
    """One face that was read. transcript: its words alone, in the time of the video; portrait: data URL, or "" where
    nobody needs telling apart; voiced: whether its voice is there."""

    transcript: Transcript
    portrait: str = ""
    voiced: bool = False


@dataclass(eq=False)
class Job:
    """One video on its way.

    Attributes:
        folder: of its results; named so that nobody guesses it.
        source, reference: own copies of what was given.
        stage, share: of `STAGES`, and how much of that is done, None where nobody knows.
        faces: those that have been read; left_out: how many more there are, beyond `MAX_FACES`.
        chosen: the face that its visitor looks at.
        early: seconds by which the copy that is played runs before the video's own clock.
        aspect: width of the picture by its height.
        dropped: nobody waits any more.
        begun: when the work began, seconds of `time.monotonic`.
    """

    folder: Path
    source: Path
    reference: Path | None = None
    stage: str = "waiting"
    share: float | None = None
    faces: list[Face] = field(default_factory=list)
    left_out: int = 0
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
            raise VsrError("too_slow", f"{self.name}: given up after {PATIENCE / 60:.0f} minutes of work")
        self.stage, self.share = stage, share

    def state(self) -> tuple:
        """What a visitor can see of it; differs when that has changed."""
        return self.stage, self.share, tuple(self.faces)


class Dropped(Exception):
    """Nobody waits for the job any more."""


class Watched:
    """A detector that tells a job how far it has come, and stops when the job is dropped."""

    def __init__(self, job: Job, total: int):
        from vsr.video.faces import default_detector

        self._detector, self._job, self._total, self._count = default_detector(), job, max(1, total), 0

    def detect(self, frame):
        """Faces of one frame; see `vsr.video.faces.Detector`."""
        self._count += 1
        self._job.enter("faces", min(1.0, self._count / self._total))
        return self._detector.detect(frame)

    def reset(self) -> None:
        """Another video begins."""
        self._detector.reset()


class Studio:
    """The models, loaded when first needed, the one thread that uses them, and the line before it.

    Args:
        limits: what visitors may ask for.
        model, voice: folders of the lip reader and of the voice; None takes those of the packages.

    Raises:
        VsrError: bad_model, where a folder is none at first sight; missing_package.
    """

    def __init__(self, limits: Limits, model: str | None = None, voice: str | None = None):
        _check_models(model, voice)
        self.limits, self.store = limits, Store(60 * limits.keep_minutes, limits.room)
        self._folders = model, voice
        self._worker = ThreadPoolExecutor(1, "lip2speech-web")
        self._worker.submit(_load_libraries).result()
        self._line: list[Job] = []  # those at work or waiting; touched by the server's thread alone

    @property
    def is_shipped(self) -> bool:
        """Whether the lip reader is the one in the package."""
        return self._folders[0] is None

    @cached_property
    def reader(self):
        """The lip reader. For the worker alone."""
        from vsr.hub import load_model

        return load_model(self._folders[0])

    @cached_property
    def voice(self):
        """The voice. For the worker alone."""
        from lip2speech.hub import load_model

        return load_model(self._folders[1])

    def new_job(self, upload: str | Path, reference: str | Path | None = None) -> Job:
        """Put a video's own copy into a folder of its own. Raises VsrError too_large, unreadable."""
        folder = self.store.new_job()
        try:
            source = self._taken(folder / "source", Path(upload))
            return Job(folder, source, self._taken(folder / "reference", Path(reference)) if reference else None)
        except BaseException:
            self.store.remove(folder)
            raise

    def _taken(self, folder: Path, upload: Path) -> Path:
        if not upload.is_file():
            raise VsrError("unreadable", f"{upload.name}: the file is no longer here; please choose it again")
        if upload.stat().st_size > self.limits.max_mb * 2**20:
            size = upload.stat().st_size / 2**20
            raise VsrError("too_large", f"{upload.name}: {size:.0f} MB; at most {self.limits.max_mb} MB are taken")
        folder.mkdir()
        try:
            os.link(upload, folder / upload.name)
        except OSError:  # another disk, such as that of the example
            shutil.copyfile(upload, folder / upload.name)
        return folder / upload.name

    def drop(self, job: Job) -> None:
        """Nobody wants the job or its results any more."""
        job.dropped = True
        self.store.remove(job.folder)

    def process(self, job: Job) -> AsyncGenerator[int, None]:
        """Work on a job; yields the number of jobs before it at each change. Closing it gives the job up.

        Raises VsrError: busy, too_long, too_slow and what the reading raises; Dropped.
        """
        return self._follow(job, self._read)

    def inspect(self, job: Job, face: int) -> AsyncGenerator[int, None]:
        """Write `inspectN.html`, the page of `vsr inspect`, for a face of a job that is done; like `process`."""
        return self._follow(job, self._inspect, face)

    async def _follow(self, job: Job, work, *args) -> AsyncGenerator[int, None]:
        self._admit(job)
        future = asyncio.get_running_loop().run_in_executor(self._worker, work, job, *args)
        try:
            seen = None
            while not future.done():
                ahead = self._line.index(job)
                if seen != (seen := (ahead, *job.state())):
                    yield ahead
                await asyncio.wait({future}, timeout=TICK)
                if job.dropped:
                    raise Dropped
            self._raise_for(future, job)
        finally:
            job.dropped = job.dropped or not future.done()
            future.cancel()
            self._line.remove(job)

    def _admit(self, job: Job) -> None:
        ahead = len(self._line)
        if ahead > self.limits.queue:
            what = f"{ahead} clips are" if ahead > 1 else "a clip is"
            raise VsrError("busy", f"Many are here just now: {what} before yours. Please try again in a minute.")
        job.stage, job.share, job.dropped = "waiting", None, False
        self._line.append(job)

    @staticmethod
    def _raise_for(future: asyncio.Future, job: Job) -> None:
        """Raise what went wrong, with the file's name where the server's path stood."""
        try:
            future.result()
        except VsrError as error:
            message = error.message
            for path in (job.source, job.reference or job.source):
                message = message.replace(str(path), path.name)
            raise VsrError(error.reason, message) from error

    def _read(self, job: Job) -> None:
        """In the worker: faces, words, voices."""
        job.begun = time.monotonic()
        job.enter("loading")
        clips = self._faces(job)
        job.enter("reading")
        playable_copy(job.source, job.folder / "video.mp4")
        for number, clip in enumerate(clips):
            job.enter("reading", number / len(clips))
            job.faces.append(self._transcribed(job, clip, number, alone=len(clips) == 1))
        vector = self._reference(job)
        for number, clip in enumerate(clips):
            job.enter("voice", number / len(clips) if number else None)
            self._voiced(job, clip, number, vector)
        job.enter("done", 1.0)

    def _faces(self, job: Job):
        from vsr.video.mouth import crop_tracks
        from vsr.video.reader import video_clock

        seconds = video_seconds(job.source)
        self._check_length(job.source, seconds)
        _ = self.reader, self.voice
        job.early = video_clock(job.source)[1]
        clips = crop_tracks(job.source, Watched(job, round(seconds * 25)))
        job.aspect = clips[0].info.width / clips[0].info.height
        job.left_out = max(0, len(clips) - MAX_FACES)
        return clips[:MAX_FACES]

    def _check_length(self, path: Path, seconds: float) -> None:
        if seconds > self.limits.max_seconds:
            raise VsrError(
                "too_long", f"{path.name}: {seconds:.0f} s long; at most {self.limits.max_seconds:g} s are taken"
            )

    def _transcribed(self, job: Job, clip, number: int, alone: bool) -> Face:
        from vsr.decode.options import DecodeOptions
        from vsr.inspect.collect import stills
        from vsr.inspect.images import image_url
        from vsr.transcribe import read_clip

        segments = read_clip(self.reader, clip, DecodeOptions(nbest=5))
        transcript = Transcript(job.name, clip.info.fps, clip.info.duration, self.reader.name, tuple(segments))
        for name in FORMATS:
            write_text(job.folder / f"{number}.{name}", WRITERS[name](transcript))
        write_text(job.folder / f"page{number}.vtt", to_vtt(earlier(transcript, job.early), sureness))
        (still,) = stills(clip, 0, len(clip.crop), 1)
        return Face(transcript, "" if alone else image_url(still.picture))

    def _reference(self, job: Job):
        """The vector of the voice to speak with; None: the model's own."""
        import torch

        from lip2speech.audio import read_wave
        from lip2speech.features.speaker import reference_vector
        from vsr.clock import SAMPLE_RATE

        if job.reference is None:
            return None
        self._check_length(job.reference, len(read_wave(job.reference)) / SAMPLE_RATE)
        return torch.from_numpy(reference_vector(job.reference))

    def _voiced(self, job: Job, clip, number: int, vector) -> None:
        from lip2speech.audio import mux
        from lip2speech.speak import speak_clip

        spoken = speak_clip(self.voice, clip, vector)
        mux(job.folder / "video.mp4", spoken.wave, job.folder / f"{number}.mp4")
        job.faces[number] = dataclasses.replace(job.faces[number], voiced=True)

    def _inspect(self, job: Job, number: int) -> None:
        """In the worker: the picture of a reading. A file that is there already is not made again."""
        from vsr.decode.options import DecodeOptions
        from vsr.inspect.collect import inspect_video
        from vsr.inspect.page import render_page

        job.begun = time.monotonic()
        if (job.folder / f"inspect{number}.html").exists():
            return
        job.enter("faces")
        face = job.faces[number].transcript.segments[0].face
        inspection = inspect_video(self.reader, job.source, DecodeOptions(nbest=5), face)
        write_text(job.folder / f"inspect{number}.html", render_page(inspection))
        job.enter("done", 1.0)

    def close(self) -> None:
        """Stop after the work in hand and remove every file."""
        for job in self._line:
            job.dropped = True
        self._worker.shutdown(cancel_futures=True)
        self.store.close()


def _load_libraries() -> None:
    """Python stands still while large libraries load: better before the first visitor than while some are here."""
    from vsr.video.faces import default_detector

    for name in ("vsr.transcribe", "lip2speech.speak"):
        import_module(name)
    default_detector()


def _check_models(model: str | None, voice: str | None) -> None:
    """A wrong folder must be found out at the start, not by the first visitor."""
    from lip2speech.hub import ACOUSTIC, VOCODER
    from vsr.hub import read_config

    for folder in [model] * (model is not None) + [Path(voice) / part for part in (ACOUSTIC, VOCODER) if voice]:
        read_config(Path(folder))


def sureness(word: TimedWord) -> str:
    """The class of a word in the subtitles of the page: sure0 ... sure4, a fifth of the confidences each."""
    return f"sure{min(4, int(5 * word.confidence))}"


def earlier(transcript: Transcript, seconds: float) -> Transcript:
    """The transcript with all times moved towards zero."""

    def moved(item: Segment | TimedWord, **changes):
        return dataclasses.replace(item, start=item.start - seconds, end=item.end - seconds, **changes)

    return dataclasses.replace(
        transcript,
        segments=tuple(
            moved(segment, words=tuple(moved(word) for word in segment.words)) for segment in transcript.segments
        ),
    )
