"""Extracts the speech features of a corpus, one file per clip; resumable, and repeated only where inputs have changed.

Manifest of crops -> `<out>/<id>.safetensors` with wave (640 T,) int16, mel (4T, 80) float32, units (2T,) int16 and
speaker (256,) float32; `<out>/refused.json` with the reason for each clip without features. A clip's audio can be
shifted onto the video's clock (`lip2speech.av_sync`); its file stores the shift.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from lip2speech.features.lag import shift_wave
from lip2speech.features.speaker import speaker_vector
from lip2speech.features.stored import REFUSED, refused_clips
from vsr.core.artifacts import KEPT, NEW, Ledger, identify, print_states, record_of
from vsr.core.errors import VsrError
from vsr.core.files import atomic_write, write_json
from vsr.core.one_output import check_ids
from vsr.core.pool import in_processes
from vsr.core.progress import count_items
from vsr.data.manifest import Clip
from vsr.data.sound import natural_wave
from vsr.media.extent import frame_times
from vsr.media.mel import log_mel
from vsr.media.mux.sound import to_pcm16
from vsr.media.units import Codebook, Extractor, open_extractor, sources_of

VERSION = 1  # of the extraction: raised whenever the same audio gives other features
SILENT = 1e-3  # peak below which an audio track has no voice


def extract(clip: Clip, codebook: Codebook, extractor, offset: float = 0.0) -> dict[str, Tensor]:
    """The features of a clip whose audio is late by ``offset`` seconds, as they are stored.

    Raises VsrError: unreadable, no_sound, silent, not_finite, late_face.
    """
    if _num_frames(clip) > clip.num_frames:
        raise VsrError("late_face", f"{clip.video}: the crop is shorter than the video, so sound and lips do not match")
    wave = shift_wave(natural_wave(clip), offset)
    if np.abs(wave).max() < SILENT:
        raise VsrError("silent", f"{clip.video}: its sound is silent")
    if not np.isfinite(wave).all():
        raise VsrError("not_finite", f"{clip.video}: its sound holds values that are not finite")
    sound = torch.from_numpy(wave)
    units = codebook.units(extractor.frames(sound))
    return {
        "wave": torch.from_numpy(to_pcm16(wave)),
        "mel": log_mel(sound.double()).float(),  # exactly as `vsr convert` stores it
        "units": units.to(torch.int16),
        "speaker": torch.from_numpy(speaker_vector(wave)),
    }


def _num_frames(clip: Clip) -> int:
    """Number of frames of a clip's video; 0 for audio only. Raises VsrError unreadable."""
    try:
        return len(frame_times(clip.video, clip.start, clip.end))
    except VsrError as error:
        if error.reason == "no_video":
            return 0
        raise


def extract_corpus(
    clips: list[Clip], codebook: str | Path, out_dir: str | Path, jobs: int = 1,
    offsets: Mapping[str, float] = MappingProxyType({}),
) -> Counter:  # fmt: skip
    """Write the features of every clip that has none yet, or has them from another video, codebook or offset.

    Numbers of kept and remade clips are printed on stderr.

    Args:
        codebook: file of the units.
        offsets: clip id -> seconds by which its audio is late; 0 for clips without an entry.

    Returns:
        Counts of "made", "kept" and refusal reasons.

    Raises:
        VsrError: bad_units, and what `in_processes` lets through.
    """
    out_dir = Path(out_dir)
    codebook_identity = identify(codebook)
    extractor = _tools(str(codebook), codebook_identity.get("sha256", ""))[1]  # report its errors before any work
    common = {"codebook": codebook_identity, "extractor": sources_of(extractor.name), "way of extracting": VERSION}
    check_ids((clip.id for clip in clips), out_dir)
    ledger = Ledger(out_dir)
    tasks = [(clip, round(offsets.get(clip.id, 0.0), 5), common) for clip in clips]
    states = [_state(ledger, task) for task in tasks]
    print_states(states, "features")
    ledger.refresh()
    todo = [task for task, state in zip(tasks, states, strict=True) if state != KEPT]
    earlier_refused = refused_clips(out_dir)
    refused = {name: why for name, why in earlier_refused.items() if name not in {clip.id for clip in clips}}
    counts = Counter(made=0, kept=len(clips) - len(todo))
    outcomes = count_items(_outcomes(todo, str(codebook), out_dir, jobs), "features", len(todo))
    counts += _record_outcomes(zip((clip for clip, *_ in todo), outcomes, strict=True), ledger, refused)
    reasons = Counter(entry["reason"] for entry in refused.values())
    write_json(out_dir / REFUSED, {"counts": dict(reasons), "clips": refused})
    return +counts


def _record_outcomes(outcomes: Iterable[tuple[Clip, dict]], ledger: Ledger, refused: dict[str, dict]) -> Counter:
    """Record the outcome of each clip, in the ledger or in ``refused``; returns counts."""
    counts: Counter[str] = Counter()
    for clip, outcome in outcomes:
        counts[outcome.get("reason", "made")] += 1
        if "reason" in outcome:
            refused[clip.id] = outcome
        else:
            ledger.append([outcome])
    return counts


def _state(ledger: Ledger, task: tuple[Clip, float, dict]) -> str:
    """Whether a clip's features can be kept, or why not. Raises VsrError where another file has their name."""
    name = f"{task[0].id}.safetensors"
    if not (ledger.folder / name).is_file():
        return NEW
    if "way of extracting" not in ledger.inputs(name):
        _check_features(ledger.folder / name)
    return ledger.state(name, feature_inputs(task, ledger.recorded_identity(name, "video")))


def feature_inputs(task: tuple[Clip, float, dict], known: dict | None = None) -> dict:
    """The inputs that a clip's features depend on."""
    clip, offset, common = task
    inputs = {"video": identify(clip.video, known), "part": [clip.start, clip.end], "length": clip.num_frames}
    return inputs | {"offset": offset} | common


def _check_features(path: Path) -> None:
    """Refuse to replace an intact file without features, such as a voice. Raises VsrError exists."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as stored:
            is_other = "speaker" not in stored.keys()  # noqa: SIM118  no dictionary
    except (OSError, SafetensorError):
        return
    if is_other:
        raise VsrError("exists", f"{path} exists and holds no speech features: choose another --out")


@cache
def _tools(codebook: str, sha256: str) -> tuple[Codebook, Extractor]:
    """The codebook with that hash and its extractor, loaded once per process."""
    loaded = Codebook.load(codebook)
    return loaded, open_extractor(loaded.extractor)


def _outcomes(tasks: list[tuple[Clip, float, dict]], codebook: str, out_dir: Path, jobs: int) -> Iterator[dict]:
    work = partial(_extract_task, codebook, out_dir)
    return in_processes(work, tasks, jobs, _crashed) if jobs > 1 else map(work, tasks)


def _extract_task(codebook: str, out_dir: Path, task: tuple[Clip, float, dict]) -> dict:
    """Write one clip's features; returns their record for the ledger, or reason and message of a refusal."""
    from safetensors.torch import save_file

    clip, offset, common = task
    inputs, name = feature_inputs(task), f"{clip.id}.safetensors"
    try:
        stored = extract(clip, *_tools(codebook, common["codebook"]["sha256"]), offset)
    except VsrError as error:
        return {"reason": error.reason, "message": str(error)}
    with atomic_write(out_dir / name) as temporary:
        tensors = {key: tensor.contiguous() for key, tensor in stored.items()}
        save_file(tensors, str(temporary), {"offset": str(offset)})
        return record_of(name, temporary, inputs)


def _crashed(task: tuple[Clip, float, dict]) -> dict:
    return {"reason": "unreadable", "message": f"{task[0].video}: the process that read it died"}
