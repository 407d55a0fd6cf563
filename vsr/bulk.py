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
from vsr.transcript import Transcript

DIED = "the process that read it died (not enough memory?)"


@dataclass(frozen=True)
class Settings:
    """What every file is read with; small enough to be sent to a worker process.

    Attributes:
        folder: the model folder, or None for the model that ships with the package.
        options: fields of `vsr.decode.options.DecodeOptions` that differ from their defaults.
        faces: "largest" or "all".
        threads: of the tensor library in each process; 0 leaves them to it.
    """

    folder: str | None = None
    options: tuple[tuple[str, Any], ...] = ()
    faces: str = "largest"
    threads: int = 0


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
        self.faces = settings.faces
        self.options = DecodeOptions(**dict(settings.options))
        self.loaded = load_model(settings.folder)
        languages_of(self.loaded, self.options)  # now, and not with the first file: no file survives a bad one

    def read(self, path: str) -> Transcript:
        """The file's transcript, or its error."""
        from vsr.transcribe import transcribe

        try:
            return transcribe(self.loaded, path, self.options, self.faces)
        except VsrError as error:
            return failure(path, error.reason, str(error), self.loaded.name)
        except Exception as error:  # noqa: BLE001  a fault of ours in one file must not cost the user the others
            return failure(path, "internal", f"{type(error).__name__}: {error}", self.loaded.name)


def failure(path: str, reason: str, message: str, model: str = "") -> Transcript:
    """The transcript of a file that could not be read."""
    return Transcript(str(path), None, None, model, (), (reason, " ".join(message.split())))


def transcribe_files(paths: Sequence[str], settings: Settings, jobs: int = 1) -> Iterator[Transcript]:
    """Yield one transcript a file, in the order given; a file that fails yields its error.

    Raises:
        VsrError: bad_model or bad_config, which no file could survive.
    """
    jobs = min(jobs, len(paths))
    if jobs <= 1:
        reader = FileReader(settings)
        yield from map(reader.read, paths)
        return
    settings = replace(settings, threads=max(1, _num_cores() // jobs))
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
