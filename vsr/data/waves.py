"""The sound of a corpus on the clock of its crops: manifest of crops -> one .wav per clip, and a manifest with them.

`<out>/<id>.wav` (640 samples for each frame of the crop, 16 kHz, 16 bit) and `<out>/manifest.jsonl`. A file is kept
while the video and the part of it are unchanged. Clips without sound stay in the manifest, without it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

from vsr.core.artifacts import KEPT, Ledger, identify, print_states, record_of
from vsr.core.errors import VsrError
from vsr.core.files import check_output
from vsr.core.machine import processes_for
from vsr.core.one_output import check_ids
from vsr.core.pool import in_processes
from vsr.core.progress import count_items
from vsr.data.manifest import Clip, need_crops, read_manifest, write_manifest
from vsr.data.own_list import check_list
from vsr.data.sound import natural_wave
from vsr.data.sound_input import stored_wave
from vsr.media.audio import write_wave

MANIFEST = "manifest.jsonl"
MEMORY = 400_000_000  # bytes that a process takes
Made = tuple[str, str, dict]  # id, reason of failure, the ledger's line


def write_waves(manifest: str | Path, out: str | Path, jobs: int = 0) -> Counter:
    """Write the sound of every clip of a manifest of crops; returns counts of "written", "kept" and reasons of failure.

    Raises VsrError for a manifest without crops, or a folder that cannot be written.
    """
    clips, out = read_manifest(manifest), Path(out)
    need_crops(clips)
    check_output(out / MANIFEST, manifest)
    check_list(out / MANIFEST, clips)
    check_ids((clip.id for clip in clips), out)
    ledger = Ledger(out)
    states = [_state(ledger, clip) for clip in clips]
    print_states(states, "sounds")
    ledger.refresh()
    todo = [clip for clip, state in zip(clips, states, strict=True) if state != KEPT]
    outcomes = _outcomes(todo, out, jobs)
    failed = {}
    for clip_id, reason, line in count_items(outcomes, "sounds", len(clips), len(clips) - len(todo)):
        if reason:
            failed[clip_id] = reason
        else:
            ledger.append([line])
    with_sound = [clip if clip.id in failed else replace(clip, sound=str(out / f"{clip.id}.wav")) for clip in clips]
    write_manifest(out / MANIFEST, with_sound)
    ledger.add(MANIFEST, {"manifest": identify(manifest)})
    return Counter(failed.values()) + Counter(kept=len(clips) - len(todo), written=len(todo) - len(failed))


def _state(ledger: Ledger, clip: Clip) -> str:
    """Whether a clip's sound can be kept, or why not. Raises VsrError for an existing file that is not its sound."""
    path = ledger.folder / f"{clip.id}.wav"
    check_output(path, clip.video)
    if path.name not in ledger.records and path.exists():
        try:
            stored_wave(path)
        except (OSError, ValueError, EOFError) as error:
            problem = f"{path} is there and no sound of vsr waves: choose another --out"
            raise VsrError("not_writable", problem) from error
    return ledger.state(path.name, wave_inputs(clip, ledger.recorded_identity(path.name, "video")))


def wave_inputs(clip: Clip, recorded: dict | None = None) -> dict:
    """What the sound of a clip depends on."""
    return {"video": identify(clip.video, recorded), "part": [clip.start, clip.end], "frames": clip.num_frames}


def _outcomes(clips: list[Clip], out: Path, jobs: int):
    """(id, reason, line) of each clip, from one process or several."""
    jobs = jobs or processes_for(len(clips), MEMORY)
    if jobs <= 1 or len(clips) < 2:
        return map(partial(write_one, out), clips)
    return in_processes(partial(write_one, out), clips, jobs, lambda clip: (clip.id, "internal", {}))


def write_one(out: Path, clip: Clip) -> Made:
    """Write the sound of one clip. Raises VsrError where nothing can be written, which ends the run."""
    inputs = wave_inputs(clip)
    try:
        wave = natural_wave(clip)
    except VsrError as error:
        return clip.id, error.reason, {}
    path = out / f"{clip.id}.wav"
    write_wave(path, wave)
    return clip.id, "", record_of(path.name, path, inputs)
