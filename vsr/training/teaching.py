"""Outputs of an audio teacher for a corpus, stored once as targets for a student that reads lips.

`<out>/<id>.safetensors` for each clip (`vsr.data.teacher_targets`), with a ledger: a file is kept where the sound, the
text and the teacher are what they were.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from vsr.core.artifacts import KEPT, Ledger, identify, tell
from vsr.core.errors import VsrError
from vsr.core.files import atomic_write, check_output
from vsr.core.progress import counted
from vsr.data.audio_visual import need_sound
from vsr.data.codebook import fit_codebook, write_codebook
from vsr.data.manifest import Clip, need_crops, read_manifests
from vsr.data.modalities import SOUND
from vsr.data.sound_input import clip_wave
from vsr.data.teacher_targets import file_of, stored_states
from vsr.training.teacher import SoundTeacher

CODEBOOK = "codebook.safetensors"


def teach(manifests: list[str], teacher: SoundTeacher, out: str | Path) -> Counter:
    """Write the targets of every clip of some manifests that `vsr waves` wrote; returns counts of "written", "kept".

    Raises VsrError for clips without sound, a text that another list gives another way, a file there that is not ours.
    """
    clips, out = _clips(manifests), Path(out)
    need_crops(clips)
    need_sound(clips, (SOUND,))
    ledger = Ledger(out)
    made = [_made(ledger, clip, teacher) for clip in clips]
    states = [_state(ledger, clip, own) for clip, own in zip(clips, made, strict=True)]
    tell(states, "targets")
    ledger.refresh()
    todo = [(clip, own) for clip, own, state in zip(clips, made, states, strict=True) if state != KEPT]
    for clip, own in counted(todo, "targets", len(clips), len(clips) - len(todo)):
        _write(out, clip, teacher)
        ledger.add(file_of(out, clip).name, own)
    return Counter(kept=len(clips) - len(todo), written=len(todo))


def write_centroids(manifests: list[str], out: str | Path, size: int) -> str:
    """Fit so many centroids to the stored states of these clips and write `<out>/codebook.safetensors`; returns a
    sentence. Raises VsrError bad_config for fewer states."""
    clips, path = _clips(manifests), Path(out) / CODEBOOK
    states, teachers = zip(*(stored_states(out, clip) for clip in clips), strict=True)
    write_codebook(path, fit_codebook(states, size), {"teacher": teachers[0], "clips": str(len(clips))})
    Ledger(out).add(path.name, {"manifests": [identify(own) for own in manifests], "size": size})
    return f"{path}: {size} centroids of {len(clips)} clips"


def _clips(manifests: list[str]) -> list[Clip]:
    """Each clip once. Raises VsrError bad_manifest for two that share an id."""
    found: dict[str, Clip] = {}
    for clip in read_manifests(manifests):
        known = found.setdefault(clip.id, clip)
        if (known.text, known.sound) != (clip.text, clip.sound):
            raise VsrError("bad_manifest", f"two clips have the id {clip.id}: give each list an --out of its own")
    return list(found.values())


def _made(ledger: Ledger, clip: Clip, teacher: SoundTeacher) -> dict:
    """What a clip's targets depend on."""
    sound = identify(clip.sound, ledger.known(f"{clip.id}.safetensors", "sound"))
    return {"sound": sound, "text": clip.text, "teacher": {"name": teacher.name, **teacher.files}}


def _state(ledger: Ledger, clip: Clip, made: dict) -> str:
    """Whether a file is kept. Raises VsrError not_writable for one that is none of ours."""
    path = file_of(ledger.folder, clip)
    check_output(path, clip.sound)
    if path.exists() and path.name not in ledger.records:
        try:
            stored_states(ledger.folder, clip)
        except VsrError as error:
            told = f"{path} is there and no target of vsr teach: choose another --out"
            raise VsrError("not_writable", told) from error
    return ledger.state(path.name, made)


def _write(out: Path, clip: Clip, teacher: SoundTeacher) -> None:
    from safetensors.numpy import save_file

    arrays, about = teacher.hear(clip_wave(clip), clip.text)
    with atomic_write(file_of(out, clip)) as temporary:
        save_file(arrays, str(temporary), {"teacher": teacher.name, **about})
