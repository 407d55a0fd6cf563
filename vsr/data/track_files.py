"""Tracks of mouth points beside the crops of a corpus, for models that read both.

`<out>/<id>.track.npz` for each clip of `<out>/manifest.jsonl`, whose field ``track`` then names it. Clips whose mouth
was found too seldom have no track and stay in the manifest: only their pixels are read.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from vsr.core.artifacts import KEPT, Ledger, print_states, record_of
from vsr.core.errors import VsrError
from vsr.core.machine import processes_for
from vsr.core.pool import in_processes
from vsr.core.progress import count_items
from vsr.data.cropping import MEMORY, crop_inputs
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.face.mouth_features import FEWEST, measures_of, read_track, write_track

VERSION = 2  # of the way of tracking: raised whenever the same video gives another track


def add_tracks(out_dir: str | Path, jobs: int | None = None) -> Counter:
    """Find the tracks of a folder's clips; returns counts of "tracks" (found now or before) and "without a track".

    Tracks that an earlier run made from the same input are kept. Raises VsrError for a folder not written by
    `vsr crop`.
    """
    manifest = Path(out_dir) / "manifest.jsonl"
    clips, ledger = read_manifest(manifest), Ledger(out_dir)
    states = [_state(ledger, clip) for clip in clips]
    print_states(states, "tracks")
    ledger.refresh()
    todo = [clip for clip, state in zip(clips, states, strict=True) if state != KEPT]
    jobs = jobs or processes_for(max(1, len(todo)), MEMORY)
    records = in_processes(_find, todo, jobs, lambda clip: {}, ordered=False) if todo else ()
    for record in count_items(records, "mouth points", len(clips), len(clips) - len(todo)):
        ledger.append([record] if record else [])
    with_tracks = [replace(clip, track=str(file_of(clip)) if _is_done(clip) else "") for clip in clips]
    write_manifest(manifest, with_tracks)
    count = sum(bool(clip.track) for clip in with_tracks)
    return Counter({"tracks": count, "without a track": len(clips) - count})


def file_of(clip: Clip) -> Path:
    """The file of the track of a cropped clip."""
    return Path(clip.crop).with_suffix(".track.npz")


def _track_inputs(clip: Clip, recorded: dict | None = None) -> dict:
    """What the track of a clip depends on."""
    return crop_inputs(clip, recorded) | {"way of tracking": VERSION}


def _state(ledger: Ledger, clip: Clip) -> str:
    """Whether a clip's track can be kept, or why not."""
    name = file_of(clip).name
    state = ledger.state(name, _track_inputs(clip, ledger.recorded_identity(name, "video")))
    return state or (KEPT if _is_done(clip) else "damaged")


def _is_done(clip: Clip) -> bool:
    """Whether the clip has a track as long as its crop and not older."""
    path = file_of(clip)
    try:
        is_new = path.stat().st_mtime >= Path(clip.crop).stat().st_mtime
        return is_new and len(read_track(path)[0]) == clip.num_frames
    except (OSError, ValueError, KeyError):
        return False


def _find(clip: Clip) -> dict:
    """Find the face mesh in the frames of a clip and store its track; returns the ledger's line, {} without a track."""
    from vsr.face.mouth_crop import crop_video
    from vsr.face.mouth_points import mouth_meshes

    inputs, path = _track_inputs(clip), file_of(clip)
    try:
        mouth = crop_video(clip.video, start=clip.start, end=clip.end, mesh=mouth_meshes()).mouth
    except VsrError:  # the clip has a crop: since then the video was replaced or removed
        return {}
    if mouth is not None and len(mouth) == clip.num_frames and np.isfinite(mouth).all((1, 2)).mean() >= FEWEST:
        write_track(path, *measures_of(mouth))
        return record_of(path.name, path, inputs)
    return {}
