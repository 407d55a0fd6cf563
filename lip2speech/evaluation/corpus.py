"""Evaluates rows of voices (natural recordings, copy-synthesis, systems): an outcome for every clip, none dropped.

A row is a folder of ID.wav; the row "natural" is the audio of the videos.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from lip2speech.evaluation.asr_scorers import Recogniser, names_of, open_scorer
from lip2speech.evaluation.distillmos import DistillMos
from lip2speech.evaluation.intelligibility import check_length
from lip2speech.evaluation.lse import Lse, SyncNet, check_whole_videos
from lip2speech.evaluation.metrics import Utterance, check_packages, check_sound, measure
from lip2speech.evaluation.pauses import speech_span
from vsr.core.clock import SAMPLES_PER_FRAME
from vsr.core.errors import VsrError
from vsr.core.interrupts import check
from vsr.core.pool import in_processes
from vsr.core.progress import count_items
from vsr.data.manifest import Clip
from vsr.data.sound import natural_wave
from vsr.media.audio import fit_length, read_wave

NATURAL = "natural"


@dataclass(frozen=True)
class Outcome:
    """Outcome of one clip in one row: figures, or the reason why there are none; and the transcripts of the recogniser
    (``heard``) and of further ones (``also``, one for each, or empty where recognition was not possible)."""

    row: str
    id: str
    figures: Utterance | None = None
    heard: str = ""
    reason: str = ""
    message: str = ""
    also: tuple[str, ...] = ()


def evaluate_clip(
    clip: Clip, row: str, folder: str | None, recogniser: Recogniser | None, others: Sequence[Recogniser] = (),
    mos: Callable[[np.ndarray], float] | None = None, lips: Callable[[Clip, np.ndarray], Lse] | None = None,
) -> Outcome:  # fmt: skip
    """The figures of one clip in one row, and the transcripts of the recognisers; a failure is also an outcome.
    ``mos``: a further quality score; ``lips``: scores of synchrony with the video.

    The recognisers transcribe every audible voice, even if it is too short to be measured or has no natural recording.
    """
    heard = ""
    also: tuple[str, ...] = ()
    try:
        voice = wave_of_row(clip, folder)
        check_sound(voice, "voice")
        heard = recogniser.transcribe(voice) if recogniser else ""
        also = tuple(other.transcribe(voice) for other in others)
        check_length(voice, "voice")
        natural = voice if folder is None else natural_wave(clip)
        figures = measure(natural, fit_length(voice, len(natural)), speech_span(clip))
        further = {"distillmos": mos(voice)} if mos else {}
        if lips:
            further["lse_c"], further["lse_d"] = lips(clip, voice)
        return Outcome(row, clip.id, replace(figures, **further), heard, also=also)
    except VsrError as error:
        return Outcome(row, clip.id, None, heard, error.reason, str(error), also)
    except Exception as error:  # noqa: BLE001  a fault in one clip must not cost the figures of the others
        check()
        return Outcome(row, clip.id, None, heard, "internal", f"{type(error).__name__}: {error}", also)


def wave_of_row(clip: Clip, folder: str | None) -> np.ndarray:
    """A clip's wave in a row; folder None: its natural recording. Raises VsrError missing, unreadable, no_sound."""
    if folder is None:
        return natural_wave(clip)
    path = Path(folder) / f"{clip.id}.wav"
    if not path.is_file():
        raise VsrError("missing", f"{path}: the row has no such file")
    wave = read_wave(path)
    return wave[: SAMPLES_PER_FRAME * clip.num_frames] if clip.num_frames else wave


def evaluate(
    clips: Sequence[Clip], rows: Mapping[str, str | None], asr: str = "", jobs: int = 1, distillmos: bool = False,
    syncnet: str = "",
) -> list[Outcome]:  # fmt: skip
    """Evaluate every clip in every row; ``rows``: name -> folder, None for the natural recordings; ``asr``:
    NAME[,NAME]; ``syncnet``: folder of the weights of `lip2speech.evaluation.lse`.

    Raises VsrError before any work: missing_package, bad_asr, bad_options, bad_model, or bad_manifest where there are
    no transcripts for the recogniser, or clips are parts of videos, which SyncNet reads whole.
    """
    check_packages()
    tasks = [(clip, row, folder) for row, folder in rows.items() for clip in clips]
    if asr:
        for name in names_of(asr):
            open_scorer(name)
        if clips and not any(clip.text.split() for clip in clips):
            raise VsrError("bad_manifest", "a recogniser needs transcripts, and no clip of the manifest has a text")
    if distillmos:
        DistillMos()
    if syncnet:
        check_whole_videos(clips)
        SyncNet(syncnet)
    scorers = asr, distillmos, syncnet
    return list(count_items(_outcomes(tasks, scorers, jobs), "evaluate", len(tasks), failed="not scored"))


def _outcomes(tasks: list[tuple], scorers: tuple[str, bool, str], jobs: int) -> Iterator[Outcome]:
    if jobs > 1:
        return in_processes(partial(_evaluate_task, scorers), tasks, jobs, _crashed)
    opened = _open_scorers(*scorers)
    return (evaluate_clip(*task, *opened) for task in tasks)


def _evaluate_task(scorers: tuple[str, bool, str], task: tuple) -> Outcome:
    import torch

    torch.set_num_threads(1)  # parallelism is by processes
    return evaluate_clip(*task, *_open_scorers(*scorers))


@cache
def _open_scorers(asr: str, distillmos: bool = False, syncnet: str = "") -> tuple:
    """The recogniser of a process, further ones, and DistillMOS and SyncNet if requested."""
    opened = [open_scorer(name) for name in names_of(asr)]
    first, others = opened[0] if opened else None, tuple(opened[1:])
    return first, others, DistillMos() if distillmos else None, SyncNet(syncnet) if syncnet else None


def _crashed(task: tuple) -> Outcome:
    clip, row, _ = task
    return Outcome(row, clip.id, reason="internal", message="the process that measured it died (not enough memory?)")
