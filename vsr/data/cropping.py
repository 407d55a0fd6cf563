"""Crop the mouths of a corpus into a folder, with several processes or machines, resumably.

Manifest of videos -> `<out>/<id>.npy` (T, 96, 96) uint8 at 25 fps (or `.mp4`: `vsr.data.crop_files`),
`<out>/manifest.jsonl` of the clips that were cropped, `<out>/refused.json` with the reason of each clip that was not,
`<out>/gaps.json` with the frames whose face was interpolated. A crop is kept while its video, its part of the video
and the way of cropping are unchanged.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from vsr.core.artifacts import KEPT, NEW, Ledger, identify, print_states, record_of
from vsr.core.errors import VsrError
from vsr.core.files import atomic_write, check_output, read_json, write_json
from vsr.core.machine import processes_for
from vsr.core.one_output import check_ids
from vsr.core.pool import in_processes
from vsr.core.progress import count_items
from vsr.data.crop_files import count_frames, file_name, write_crop
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.data.own_list import check_list
from vsr.face.landmarker import landmarker_file

MANIFEST = "manifest.jsonl"
VERSION = 2  # of the way of cropping: raised whenever the same video gives a different crop
MEMORY = 800_000_000  # bytes that a process takes


@dataclass(frozen=True)
class Outcome:
    """Result for one clip: frames > 0 if it was cropped, else a reason and a message."""

    id: str
    frames: int = 0
    found: float = 1.0
    gaps: list = field(default_factory=list)
    reason: str = ""
    message: str = ""
    record: dict = field(default_factory=dict)  # the crop's line in the ledger


class Cropping(Protocol):
    """An engine that crops: yields one outcome per clip, even if the process or machine working on it dies."""

    def crop(self, clips: Sequence[Clip], out_dir: Path, store: str = "npy") -> Iterator[Outcome]:
        """Crop clips into a folder, each file written whole or not at all."""


def crop_corpus(
    manifest_in: str | Path, out_dir: str | Path, jobs: int = 1, engine: Cropping | None = None, store: str = "npy"
) -> Counter:
    """Crop every clip of a manifest; returns counts of "cropped", "kept" (from an earlier run) and refusal reasons.

    Crops that an earlier run made from the same input are kept, so a killed run resumes where it stopped; what is kept
    and what is remade is printed on stderr. A file that crashes the decoder costs that file only. ``engine``: crops
    instead of ``jobs`` processes of this machine; ``store``: storage of crops, from `vsr.data.crop_files.STORES`.
    Raises VsrError for a bad manifest, a folder that cannot be written, or one that holds other files.
    """
    clips = read_manifest(manifest_in)
    out_dir = Path(out_dir)
    ledger = Ledger(out_dir)
    _check_folder(out_dir, ledger, manifest_in)
    check_list(out_dir / MANIFEST, clips)
    check_ids((clip.id for clip in clips), out_dir)
    states = {clip.id: _state(ledger, clip, store) for clip in clips}
    paths = {clip.id: out_dir / file_name(clip.id, store) for clip in clips}
    frames = {clip.id: count_frames(paths[clip.id]) if states[clip.id] == KEPT else 0 for clip in clips}
    todo = [clip for clip in clips if not frames[clip.id]]
    print_states([states[clip.id] or (KEPT if frames[clip.id] else "damaged") for clip in clips], "crops")
    ledger.refresh()
    outcomes = []
    results = engine.crop(todo, out_dir, store) if engine else crop_in_processes(todo, out_dir, jobs, store)
    for outcome in count_items(results, "mouth crops", len(clips), len(clips) - len(todo), failed="refused"):
        outcomes.append(outcome)
        if outcome.record:
            ledger.append([outcome.record])
    frames |= {outcome.id: outcome.frames for outcome in outcomes}
    _write_reports(out_dir, clips, paths, frames, outcomes)
    ledger.add(MANIFEST, {"manifest": identify(manifest_in)})
    counts = Counter(outcome.reason or "cropped" for outcome in outcomes)
    return counts + Counter(kept=len(clips) - len(todo))


def crop_inputs(clip: Clip, recorded: dict | None = None, store: str = "npy") -> dict:
    """What the crop of a clip depends on."""
    landmarker = landmarker_file()
    return {
        "video": identify(clip.video, recorded), "part": [clip.start, clip.end], "way of cropping": VERSION,
        "face landmarker": identify(landmarker) if landmarker else "",
    } | ({} if store == "npy" else {"store": store})  # fmt: skip


def _state(ledger: Ledger, clip: Clip, store: str) -> str:
    """Whether a clip's crop can be kept, or why not; a video without a crop is not read."""
    name = file_name(clip.id, store)
    if not (ledger.folder / name).is_file():
        return NEW
    if "way of cropping" not in ledger.inputs(name):
        check_output(ledger.folder / name, clip.video)
        _check_crop(ledger.folder / name)
    return ledger.state(name, crop_inputs(clip, ledger.recorded_identity(name, "video"), store))


def _check_folder(out_dir: Path, ledger: Ledger, manifest_in: str | Path) -> None:
    """Refuse a folder whose manifest.jsonl is the input, or does not list crops in this folder. Raises VsrError."""
    target = out_dir / MANIFEST
    check_output(target, manifest_in)
    if MANIFEST in ledger.records or not target.is_file() or not target.stat().st_size:
        return
    folder_name = Path(os.path.realpath(out_dir)).name  # paths may be those of another working directory
    if any(
        Path(clip.crop).parent.name != folder_name or Path(clip.crop).stem != clip.id for clip in read_manifest(target)
    ):
        raise VsrError("not_writable", f"{target} exists and lists no crops of its folder: choose another --out")


def _check_crop(path: Path) -> None:
    """Refuse to replace a readable array, or any video, that is not a mouth crop. Raises VsrError."""
    try:
        if path.suffix == ".npy":
            np.load(path, mmap_mode="r", allow_pickle=False)  # a damaged one may be replaced
        elif not path.stat().st_size:
            return
    except (OSError, ValueError, EOFError):
        return
    if not count_frames(path):
        raise VsrError("not_writable", f"{path} exists and is not a mouth crop: choose another --out")


def _write_reports(
    out_dir: Path, clips: list[Clip], paths: dict[str, Path], frames: dict[str, int], outcomes: list[Outcome]
) -> None:
    """manifest.jsonl, refused.json and gaps.json of the whole folder."""
    done = [clip for clip in clips if frames[clip.id]]
    write_manifest(
        out_dir / MANIFEST,
        [replace(clip, crop=str(paths[clip.id]), num_frames=frames[clip.id]) for clip in done],
    )
    refused = {o.id: {"reason": o.reason, "message": o.message} for o in outcomes if o.reason}
    counts = Counter(entry["reason"] for entry in refused.values())
    write_json(out_dir / "refused.json", {"counts": dict(counts), "clips": refused})
    gaps_file = out_dir / "gaps.json"
    gaps = read_json(gaps_file) if gaps_file.is_file() else {}
    gaps = {name: entry for name, entry in gaps.items() if name not in {o.id for o in outcomes}}
    gaps |= {o.id: {"found": round(o.found, 4), "gaps": o.gaps} for o in outcomes if o.gaps}
    write_json(gaps_file, gaps)


def crop_in_processes(clips: Sequence[Clip], out_dir: Path, jobs: int | None, store: str = "npy") -> Iterator[Outcome]:
    """Outcomes as they arrive; ``jobs`` None: as many processes as the machine can run."""
    if not clips:
        return iter(())
    jobs = jobs or processes_for(len(clips), MEMORY)
    return in_processes(partial(_crop_clip, out_dir, store=store), clips, jobs, _lost, ordered=False)


def _lost(clip: Clip) -> Outcome:
    return Outcome(clip.id, reason="unreadable", message=f"{clip.video}: crashes the video decoder")


class Cropper:
    """Crops clips one at a time into a folder, in a worker of a cluster."""

    def __init__(self, out_dir: Path, store: str = "npy"):
        import cv2

        cv2.setNumThreads(1)
        self.out_dir, self.store = out_dir, store

    def __call__(self, clip: Clip) -> Outcome:
        return _crop_clip(self.out_dir, clip, self.store)


def _crop_clip(out_dir: Path, clip: Clip, store: str = "npy") -> Outcome:
    """Crop one clip and write it; a refusal is an outcome, a full disk ends the run."""
    from vsr.face.mouth_crop import crop_video

    inputs = crop_inputs(clip, store=store)  # before the video is read: a file replaced meanwhile counts as changed
    name = file_name(clip.id, store)
    try:
        mouth = crop_video(clip.video, start=clip.start, end=clip.end)
    except VsrError as error:
        return Outcome(clip.id, reason=error.reason, message=str(error))
    with atomic_write(out_dir / name) as temporary:
        write_crop(temporary, mouth.crop, store)
        record = record_of(name, temporary, inputs)
    return Outcome(clip.id, len(mouth.crop), mouth.found, mouth.gaps, record=record)
