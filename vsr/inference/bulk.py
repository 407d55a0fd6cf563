"""Many files -> their transcripts, in this process or in several; one bad file never stops the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from vsr.core.errors import Incomplete, VsrError
from vsr.core.interrupts import check
from vsr.core.machine import AUTO, cores, processes_for, return_freed_memory
from vsr.core.pool import in_processes
from vsr.core.progress import Watch
from vsr.data.modalities import SOUND
from vsr.media.formats import no_file
from vsr.modelstore.precision import chosen_precision
from vsr.output.transcript import Transcript
from vsr.output.writing import Outputs

DIED = "the process that read it died (not enough memory?)"
MEMORY = 1_200_000_000  # bytes that a process takes beside its model
ON_A_GPU = 4  # processes that look for faces while each has a copy of the model there


@dataclass(frozen=True)
class Settings:
    """Settings for reading files, small enough to be sent to a worker process.

    Attributes:
        folder: what `vsr.modelstore.folder.load_model` takes; None for the model that ships with the package.
        options: fields of `vsr.decoding.options.DecodeOptions` that differ from the model's own, or from the defaults.
        faces: "largest", "all" or a number.
        threads: of PyTorch in each process; 0: PyTorch's default.
        outputs: where the results and the journal of a long video are written block by block; None: nowhere.
        resume: continue where the journal of an earlier run ends.
        device: of the model, as in `vsr.modelstore.folder.load_model`.
        precision: of the model's layers, likewise; for workers it is resolved beforehand.
        cropped: the videos show only a mouth and are used as they are.
        modality: for an audio-visual model: "video", "sound" or "both"; "": all modalities of the model.
    """

    folder: str | None = None
    options: tuple[tuple[str, Any], ...] = ()
    faces: str | int = "largest"
    threads: int = 0
    outputs: Outputs | None = None
    resume: bool = False
    device: str = "cpu"
    cropped: bool = False
    precision: str = AUTO
    modality: str = ""


class FileReader:
    """Reads one file after another with a model that is loaded once.

    Raises:
        VsrError: bad_model or bad_options, which concern every file.
    """

    def __init__(self, settings: Settings):
        import torch

        from vsr.decoding.defaults import check_search, options_for
        from vsr.decoding.encoding import chosen_modality
        from vsr.decoding.evidence import joining
        from vsr.decoding.heads import chosen_head
        from vsr.modelstore.folder import load_model

        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.settings = settings
        check_search(settings.folder, dict(settings.options))
        self.loaded = load_model(settings.folder, settings.device, settings.precision)
        self.options = options_for(self.loaded, dict(settings.options))
        if self.options.head:
            chosen_head(self.loaded, self.options.head)
        self.modality = chosen_modality(self.loaded, settings.modality)
        if self.modality == SOUND and settings.cropped:
            raise VsrError("bad_options", "--cropped shows lips, which --modality sound does not read: leave one out")
        joining(self.loaded, self.options)  # now, and not with the first file: no file survives a bad one

    def read(self, path: str, watch: Watch | None = None) -> Transcript:
        """The transcript of a file; if reading fails, with the error and the part read before it."""
        from vsr.inference.transcriber import Reading

        reading, outputs = None, self.settings.outputs
        watch = replace(watch or Watch(), block=outputs.write) if outputs else watch or Watch()
        try:
            if self.modality == SOUND or self.settings.cropped:
                return self._read_at_once(path)
            journal = outputs.journal(path) if outputs else None
            how = self.settings.faces, journal, self.settings.resume, self.modality
            reading = Reading(self.loaded, path, self.options, *how)
            return reading.run(watch)
        except Incomplete as error:
            return error.record
        except VsrError as error:
            reason, message = error.reason, str(error)
        except Exception as error:  # noqa: BLE001  a fault of ours in one file must not cost the user the others
            check()
            reason, message = "internal", f"{type(error).__name__}: {error}"
        finally:
            return_freed_memory()
        if reading is None:
            return failure(path, reason, message, self.loaded.name)
        return reading.transcript((reason, " ".join(message.split())))

    def _read_at_once(self, path: str) -> Transcript:
        """The transcript of a sound file, or of a video that shows only a mouth. Raises VsrError."""
        from vsr.inference.cropped import transcribe_cropped
        from vsr.inference.listening import transcribe_sound

        if self.modality == SOUND:
            return transcribe_sound(self.loaded, path, self.options)
        return transcribe_cropped(self.loaded, path, self.options, self.modality)


def failure(path: str, reason: str, message: str, model: str = "") -> Transcript:
    """The transcript of a file that could not be read."""
    return Transcript(str(path), None, None, model, (), (reason, " ".join(message.split())), complete=False)


def absent(path: str) -> Transcript:
    """The transcript of a file that is not there."""
    return failure(path, "unreadable", str(no_file(path)))


def transcribe_files(
    paths: Sequence[str], settings: Settings, jobs: int = 1, watch: Watch | None = None
) -> Iterator[Transcript]:
    """Yield the transcript of each file, in the given order; a file that fails yields its error.

    ``watch`` receives the progress, if all files are read in this process.

    Raises:
        VsrError: bad_model or bad_options, which concern every file.
    """
    jobs = min(jobs, len(paths))
    if jobs <= 1:
        reader = FileReader(settings)
        yield from (reader.read(path, watch) for path in paths)
        return
    settings = replace(resolved_settings(settings), threads=max(1, cores() // jobs))
    yield from in_processes(
        partial(_read_in_worker, settings), paths, jobs, lambda path: failure(path, "internal", DIED)
    )


def resolved_settings(settings: Settings) -> Settings:
    """Settings for workers, with the model located and the precision chosen once: not every process then asks the hub,
    and all use the same precision."""
    folder = _model_folder(settings)
    return replace(
        settings, folder=str(folder), precision=chosen_precision(folder, settings.precision, settings.device)
    )


def default_jobs(num_files: int, settings: Settings) -> int:
    """The default number of processes for this many files. Raises VsrError for a missing model."""
    weights = sum(path.stat().st_size for path in _model_folder(settings).glob("*.safetensors"))
    found = processes_for(num_files, MEMORY + 4 * weights)  # half precision on disk, held twice while it is loaded
    return found if settings.device == "cpu" else min(found, ON_A_GPU)


def _model_folder(settings: Settings) -> Path:
    from vsr.modelstore.folder import find_model

    return find_model(settings.folder)


_reader_of_process = cache(FileReader)


def _read_in_worker(settings: Settings, path: str) -> Transcript:
    # Loaded with the first file, not at the start: an error in here reaches the parent as it is.
    return _reader_of_process(settings).read(path)
