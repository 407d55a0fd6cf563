"""Store the outputs of an audio teacher for a corpus, as targets for a student that reads lips.

`<out>/<id>.safetensors` for each clip (`vsr.data.teacher_targets`), with a ledger: a file is kept if sound, text and
teacher are unchanged.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from vsr.core.artifacts import KEPT, Ledger, identify, print_states
from vsr.core.errors import VsrError
from vsr.core.files import atomic_write, check_output
from vsr.core.one_output import check_ids
from vsr.core.progress import count_items
from vsr.data.audio_visual import need_sound
from vsr.data.codebook import fit_codebook, write_codebook
from vsr.data.manifest import Clip, need_crops, read_manifests
from vsr.data.modalities import SOUND
from vsr.data.sound_input import clip_wave
from vsr.data.teacher_targets import file_of, stored_states
from vsr.training.teacher import SoundTeacher

CODEBOOK = "codebook.safetensors"


def teach(manifests: list[str], teacher: SoundTeacher, out: str | Path) -> Counter:
    """Write the targets of every clip of manifests written by `vsr waves`; returns counts of "written" and "kept".

    Raises VsrError for clips without sound, an id with two texts or sounds, an existing file that is not a target.
    """
    clips, out = _clips(manifests), Path(out)
    need_crops(clips)
    need_sound(clips, (SOUND,))
    check_ids((clip.id for clip in clips), out)
    ledger = Ledger(out)
    inputs = [_inputs(ledger, clip, teacher) for clip in clips]
    states = [_state(ledger, clip, entry) for clip, entry in zip(clips, inputs, strict=True)]
    print_states(states, "targets")
    ledger.refresh()
    todo = [(clip, entry) for clip, entry, state in zip(clips, inputs, states, strict=True) if state != KEPT]
    for clip, entry in count_items(todo, "targets", len(clips), len(clips) - len(todo)):
        _write(out, clip, teacher)
        ledger.add(file_of(out, clip).name, entry)
    return Counter(kept=len(clips) - len(todo), written=len(todo))


def write_centroids(manifests: list[str], out: str | Path, size: int) -> str:
    """Fit ``size`` centroids to the stored states of the clips and write `<out>/codebook.safetensors`; returns a
    sentence for the user. Raises VsrError bad_config for fewer states than centroids."""
    clips, path = _clips(manifests), Path(out) / CODEBOOK
    states, teachers = zip(*(stored_states(out, clip) for clip in clips), strict=True)
    write_codebook(path, fit_codebook(states, size), {"teacher": teachers[0], "clips": str(len(clips))})
    Ledger(out).add(path.name, {"manifests": [identify(manifest) for manifest in manifests], "size": size})
    return f"{path}: {size} centroids of {len(clips)} clips"


def _clips(manifests: list[str]) -> list[Clip]:
    """The clips without duplicates. Raises VsrError bad_manifest for different clips of the same id."""
    clips: dict[str, Clip] = {}
    for clip in read_manifests(manifests):
        first = clips.setdefault(clip.id, clip)
        if (first.text, first.sound) != (clip.text, clip.sound):
            raise VsrError("bad_manifest", f"two clips have the id {clip.id}: give each list an --out of its own")
    return list(clips.values())


def _inputs(ledger: Ledger, clip: Clip, teacher: SoundTeacher) -> dict:
    """The inputs that a clip's targets depend on."""
    sound = identify(clip.sound, ledger.recorded_identity(f"{clip.id}.safetensors", "sound"))
    return {"sound": sound, "text": clip.text, "teacher": {"name": teacher.name, **teacher.files}}


def _state(ledger: Ledger, clip: Clip, inputs: dict) -> str:
    """The state of a clip's file in the ledger. Raises VsrError not_writable for an existing file of another kind."""
    path = file_of(ledger.folder, clip)
    check_output(path, clip.sound)
    if path.exists() and path.name not in ledger.records:
        try:
            stored_states(ledger.folder, clip)
        except VsrError as error:
            problem = f"{path} is there and no target of vsr teach: choose another --out"
            raise VsrError("not_writable", problem) from error
    return ledger.state(path.name, inputs)


def _write(out: Path, clip: Clip, teacher: SoundTeacher) -> None:
    from safetensors.numpy import save_file

    arrays, about = teacher.hear(clip_wave(clip), clip.text)
    with atomic_write(file_of(out, clip)) as temporary:
        save_file(arrays, str(temporary), {"teacher": teacher.name, **about})
