"""Tracks of mouth points beside the crops of a corpus, for readers that read both.

`<out>/<id>.track.npz` of each clip of `<out>/manifest.jsonl`, whose field ``track`` then names it. Clips without a
track, since the mesh was too seldom sure of the mouth, stay in the manifest: their pixels are read alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from vsr.data.cropping import MEMORY
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.errors import VsrError
from vsr.machine import processes_for
from vsr.pool import in_processes
from vsr.progress import counted
from vsr.video.mouth_features import FEWEST, measures_of, read_track, write_track


def add_tracks(out_dir: str | Path, jobs: int | None = None) -> Counter:
    """Find the tracks of a folder's clips; returns counts of "tracks" (found now or before) and "without a track".

    Tracks that are at least as new as their crop are kept. Raises VsrError for a folder that `vsr crop` did not write.
    """
    manifest = Path(out_dir) / "manifest.jsonl"
    clips = read_manifest(manifest)
    todo = [clip for clip in clips if not _is_done(clip)]
    jobs = jobs or processes_for(max(1, len(todo)), MEMORY)
    found = in_processes(_find, todo, jobs, lambda clip: None, ordered=False) if todo else ()
    for _ in counted(found, "mouth points", len(clips), len(clips) - len(todo)):
        pass
    with_tracks = [replace(clip, track=str(file_of(clip)) if _is_done(clip) else "") for clip in clips]
    write_manifest(manifest, with_tracks)
    count = sum(bool(clip.track) for clip in with_tracks)
    return Counter({"tracks": count, "without a track": len(clips) - count})


def file_of(clip: Clip) -> Path:
    """Where the track of a cropped clip lies."""
    return Path(clip.crop).with_suffix(".track.npz")


def _is_done(clip: Clip) -> bool:
    """Whether the clip has a track as long and as new as its crop."""
    path = file_of(clip)
    try:
        new = path.stat().st_mtime >= Path(clip.crop).stat().st_mtime
        return new and len(read_track(path)[0]) == clip.num_frames
    except (OSError, ValueError, KeyError):
        return False


def _find(clip: Clip) -> str:
    """Lay the mesh on every frame of the clip, and keep what is found; returns the clip's id."""
    from vsr.video.mouth import crop_video
    from vsr.video.mouth_points import mouth_meshes

    try:
        mouth = crop_video(clip.video, start=clip.start, end=clip.end, mesh=mouth_meshes()).mouth
    except VsrError:  # the crop was made: the video is another one now, or gone
        return clip.id
    if len(mouth) == clip.num_frames and np.isfinite(mouth).all((1, 2)).mean() >= FEWEST:
        write_track(file_of(clip), *measures_of(mouth))
    return clip.id
