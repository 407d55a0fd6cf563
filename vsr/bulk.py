"""Many files -> their transcripts, in this process or in several; one bad file never stops the others."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from typing import Any

from vsr.errors import VsrError
from vsr.outputs import Outputs
from vsr.progress import Watch
from vsr.transcript import Transcript

DIED = "the process that read it died (not enough memory?)"


@dataclass(frozen=True)
class Settings:
    """What every file is read with; small enough to be sent to a worker process.

    Attributes:
        folder: what `vsr.hub.load_model` takes; None for the model that ships with the package.
        options: fields of `vsr.decode.options.DecodeOptions` that differ from their defaults.
        faces: "largest", "all" or a number.
        threads: of the tensor library in each process; 0 leaves them to it.
        outputs: where a long video's results are written as they come, and its journal; None keeps them in memory.
        resume: go on where the journal of an earlier run ends.
    """

    folder: str | None = None
    options: tuple[tuple[str, Any], ...] = ()
    faces: str | int = "largest"
    threads: int = 0
    outputs: Outputs | None = None
    resume: bool = False


class FileReader:
    """A model loaded once, and what it takes to read one file after another with it.

    Raises:
        VsrError: bad_model or bad_config, which no file could survive.
    """

    def __init__(self, settings: Settings):
        import torch

        from vsr.decode.fusion import languages_of
        from vsr.decode.options import DecodeOptions
        from vsr.hub import load_model

        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.settings = settings
        self.options = DecodeOptions(**dict(settings.options))
        self.loaded = load_model(settings.folder)
        languages_of(self.loaded, self.options)  # now, and not with the first file: no file survives a bad one

    def read(self, path: str, watch: Watch | None = None) -> Transcript:
        """The file's transcript, or its error with what was read before it."""
        from vsr.transcribe import Reading

        reading, outputs = None, self.settings.outputs
        journal = outputs.journal(path) if outputs else None
        watch = replace(watch or Watch(), block=outputs.write) if outputs else watch or Watch()
        try:
            reading = Reading(self.loaded, path, self.options, self.settings.faces, journal, self.settings.resume)
            return reading.run(watch)
        except VsrError as error:
            reason, message = error.reason, str(error)
        except Exception as error:  # noqa: BLE001  a fault of ours in one file must not cost the user the others
            reason, message = "internal", f"{type(error).__name__}: {error}"
        if reading is None:
            return failure(path, reason, message, self.loaded.name)
        return reading.transcript((reason, " ".join(message.split())))


def failure(path: str, reason: str, message: str, model: str = "") -> Transcript:
    """The transcript of a file that could not be read."""
    return Transcript(str(path), None, None, model, (), (reason, " ".join(message.split())), complete=False)


def transcribe_files(
    paths: Sequence[str], settings: Settings, jobs: int = 1, watch: Watch | None = None
) -> Iterator[Transcript]:
    """Yield one transcript a file, in the order given; a file that fails yields its error.

    ``watch`` is told how each file goes where all are read in this process.

    Raises:
        VsrError: bad_model or bad_config, which no file could survive.
    """
    jobs = min(jobs, len(paths))
    if jobs <= 1:
        reader = FileReader(settings)
        yield from (reader.read(path, watch) for path in paths)
        return
    from vsr.hub import find_model

    # Found here once: a model of the hub is not asked for by every process.
    folder = str(find_model(settings.folder))
    settings = replace(settings, folder=folder, threads=max(1, _num_cores() // jobs))
    done = 0
    while done < len(paths):
        for transcript in _in_processes(paths[done:], settings, jobs):
            yield transcript
            done += 1
        if done < len(paths):
            # A worker died and took the pool along; the next is read alone, so that the culprit is known.
            alone = list(_in_processes(paths[done : done + 1], settings, 1))
            yield alone[0] if alone else failure(paths[done], "internal", DIED)
            done += 1


def _in_processes(paths: Sequence[str], settings: Settings, jobs: int) -> Iterator[Transcript]:
    """Transcripts in order, up to the first that is lost because a worker died."""
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads can hang
    pool = ProcessPoolExecutor(min(jobs, len(paths)), context, _start_worker, (settings,))
    try:
        futures = [pool.submit(_read_in_worker, path) for path in paths]
        for future in futures:
            try:
                yield future.result()
            except BrokenProcessPool:
                return
    except BaseException:
        # Ctrl-C or a model that cannot be loaded: nobody waits for the files that are still being read.
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_worker: dict[str, Any] = {}  # of this worker process: its settings, and its reader once it is loaded


def _start_worker(settings: Settings) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    _worker["settings"] = settings


def _read_in_worker(path: str) -> Transcript:
    # Loaded with the first file, not at the start: an error in here reaches the parent as it is.
    if "reader" not in _worker:
        _worker["reader"] = FileReader(_worker["settings"])
    return _worker["reader"].read(path)


def _num_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
