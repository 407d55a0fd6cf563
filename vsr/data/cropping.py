"""A corpus of videos becomes a folder of mouth crops, by several processes or machines, resumably.

Manifest of videos -> `<out>/<id>.npy` (T, 96, 96) uint8 at 25 fps, `<out>/manifest.jsonl` of the clips that were
cropped, `<out>/refused.json` with the reason of each clip that was not, `<out>/gaps.json` with the frames whose face
was interpolated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.engines import Engine, Local
from vsr.errors import VsrError
from vsr.files import atomic_write, read_json, write_json
from vsr.machine import processes_for
from vsr.pool import in_processes
from vsr.progress import counted

CROP_SHAPE = (96, 96)
MEMORY = 800_000_000  # bytes that a process takes


@dataclass(frozen=True)
class Outcome:
    """What became of one clip: frames > 0 if it was cropped, else a reason and a message."""

    id: str
    frames: int = 0
    found: float = 1.0
    gaps: list = field(default_factory=list)
    reason: str = ""
    message: str = ""


def crop_corpus(
    manifest_in: str | Path, out_dir: str | Path, jobs: int = 1, engine: Engine | None = None
) -> Counter:
    """Crop every clip of a manifest; returns counts of "cropped", "kept" (from an earlier run) and refusal reasons.

    Crops that are there already are kept, so a killed run goes on where it stopped. A file that crashes the decoder
    costs that file only. ``engine``: who crops, if not ``jobs`` processes of this machine. Raises VsrError for a bad
    manifest or a folder that cannot be written.
    """
    out_dir = Path(out_dir)
    clips = read_manifest(manifest_in)
    frames = {clip.id: _frames_on_disk(out_dir / f"{clip.id}.npy") for clip in clips}
    kept = [clip.id for clip in clips if frames[clip.id]]
    todo = [clip for clip in clips if not frames[clip.id]]
    out_dir.mkdir(parents=True, exist_ok=True)
    found = (engine or Local(jobs)).crop(todo, out_dir)
    outcomes = list(counted(found, "mouth crops", len(clips), len(kept), failed="refused"))
    frames |= {outcome.id: outcome.frames for outcome in outcomes}
    _write_reports(out_dir, clips, frames, outcomes)
    counts = Counter(outcome.reason or "cropped" for outcome in outcomes)
    return counts + Counter(kept=len(kept))


def _frames_on_disk(path: Path) -> int:
    """Frames of a crop written earlier, 0 if there is no such file or it is not a crop."""
    try:
        crop = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return 0
    return len(crop) if crop.dtype == np.uint8 and crop.ndim == 3 and crop.shape[1:] == CROP_SHAPE else 0


def _write_reports(out_dir: Path, clips: list[Clip], frames: dict[str, int], outcomes: list[Outcome]) -> None:
    """manifest.jsonl, refused.json and gaps.json of the whole folder."""
    done = [clip for clip in clips if frames[clip.id]]
    write_manifest(
        out_dir / "manifest.jsonl",
        [replace(clip, crop=str(out_dir / f"{clip.id}.npy"), num_frames=frames[clip.id]) for clip in done],
    )
    refused = {o.id: {"reason": o.reason, "message": o.message} for o in outcomes if o.reason}
    counts = Counter(entry["reason"] for entry in refused.values())
    write_json(out_dir / "refused.json", {"counts": dict(counts), "clips": refused})
    gaps_file = out_dir / "gaps.json"
    gaps = read_json(gaps_file) if gaps_file.is_file() else {}
    gaps |= {o.id: {"found": round(o.found, 4), "gaps": o.gaps} for o in outcomes if o.gaps}
    write_json(gaps_file, gaps)


def crop_in_processes(clips: Sequence[Clip], out_dir: Path, jobs: int | None) -> Iterator[Outcome]:
    """Outcomes as they come; ``jobs`` None: as many processes as the machine is good for."""
    if not clips:
        return iter(())
    jobs = jobs or processes_for(len(clips), MEMORY)
    return in_processes(partial(_crop_clip, out_dir), clips, jobs, _lost, ordered=False)


def _lost(clip: Clip) -> Outcome:
    return Outcome(clip.id, reason="unreadable", message=f"{clip.video}: crashes the video decoder")


class Cropper:
    """What one worker of a cluster needs to crop clip after clip into a folder."""

    def __init__(self, out_dir: Path):
        import cv2

        cv2.setNumThreads(1)
        self.out_dir = out_dir

    def __call__(self, clip: Clip) -> Outcome:
        return _crop_clip(self.out_dir, clip)


def _crop_clip(out_dir: Path, clip: Clip) -> Outcome:
    """Crop one clip and write it; a refusal is an outcome, a full disk ends the run."""
    from vsr.video.mouth import crop_video

    try:
        mouth = crop_video(clip.video, start=clip.start, end=clip.end)
    except VsrError as error:
        return Outcome(clip.id, reason=error.reason, message=str(error))
    with atomic_write(out_dir / f"{clip.id}.npy") as temporary:
        np.save(temporary, mouth.crop)
    return Outcome(clip.id, len(mouth.crop), mouth.found, mouth.gaps)
