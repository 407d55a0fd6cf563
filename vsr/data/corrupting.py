"""Make a distorted set from a list of recordings: files, a manifest, and a record of what was done to each clip.

Recordings -> `<out>/<id>.mkv` (25 frames a second with 16 kHz sound; `.wav` of sound alone), or mouth crops ->
`<out>/<id>.npy`; `<out>/manifest.jsonl`; `<out>/corruption.json`; `<out>/refused.json`. The corruption of a clip is
fixed by the settings, the seed and its id. A killed run resumes; a file that is not of this set is never replaced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from vsr.core.artifacts import (
    CHANGED,
    KEPT,
    NEW,
    UNRECORDED,
    Ledger,
    append_records,
    essence,
    identify,
    print_states,
    record_of,
)
from vsr.core.errors import VsrError
from vsr.core.files import atomic_write, check_output, write_json
from vsr.core.machine import processes_for
from vsr.core.one_output import check_ids
from vsr.core.pool import in_processes
from vsr.core.progress import count_items
from vsr.core.typed_json import to_plain
from vsr.data.corrupted_clip import corrupted_recording, write_crops
from vsr.data.corruption import SOUND, Corruption, generator_of
from vsr.data.manifest import Clip, need_crops, write_manifest
from vsr.data.own_list import check_list
from vsr.data.sound_corruption import DrawnSound
from vsr.media.mixing import KINDS

MANIFEST, DONE, REFUSED = "manifest.jsonl", "corruption.json", "refused.json"
VERSION = 1  # of the corruption: raised whenever the same settings and seed give other files
MEMORY = 900_000_000  # bytes that a process takes


@dataclass(frozen=True)
class Order:
    """How a set is made. settings: of the corruption; seed; crops: corrupt mouth crops only; lossless: keep frames bit
    for bit."""

    settings: Corruption
    seed: int = 0
    crops: bool = False
    lossless: bool = False

    def __post_init__(self):
        if self.settings.changes_nothing:
            raise VsrError("bad_options", "nothing to corrupt: give at least one kind, as --snr 0 or --occlude 0.5")
        if self.crops and not self.settings.sound.changes_nothing:
            raise VsrError("bad_options", "mouth crops have no sound to corrupt: leave out --crops")

    def inputs(self) -> dict:
        """What every file of the set depends on."""
        plain = to_plain(self.settings)
        return {"settings": plain, "seed": self.seed, "crops": self.crops, "lossless": self.lossless, "way": VERSION}


@dataclass(frozen=True)
class Job:
    """A clip, the corruption drawn for its sound, and the voices or the noise file for it, by name."""

    clip: Clip
    sound: DrawnSound = field(default_factory=DrawnSound)
    voices: dict[str, Clip] = field(default_factory=dict)

    def inputs(self, order: Order, recorded: dict | None = None) -> dict:
        """What the clip's file depends on."""
        source = self.clip.crop if order.crops else self.clip.video
        noise = {name: [identify(voice.video), voice.start, voice.end] for name, voice in self.voices.items()}
        part = [] if order.crops else [self.clip.start, self.clip.end]
        return {"source": identify(source, recorded), "part": part, "noise": noise, **order.inputs()}


@dataclass(frozen=True)
class Outcome:
    """Result for one clip: the name of its file, or a reason and a message."""

    id: str
    name: str = ""
    reason: str = ""
    message: str = ""


def corrupt_corpus(
    clips: Sequence[Clip], out: str | Path, order: Order, jobs: int | None = None, voices: Sequence[Clip] = ()
) -> Counter:
    """Write the set; returns counts of "corrupted", "kept" (from an earlier run) and refusal reasons.

    ``voices``: clips that babble, by default the others of the list. Raises VsrError for wrong settings, a folder with
    other files or with a set of other settings, and where every clip is refused.
    """
    out = Path(out)
    if order.crops:
        need_crops(clips)
    todo, ledger = _plan_jobs(clips, out, order, voices)
    states = {job.clip.id: _state(ledger, job, order) for job in todo}
    print_states(states.values(), str(out))
    ledger.refresh()
    left = [job for job in todo if states[job.clip.id] != KEPT]
    outcomes = list(
        count_items(_outcomes(left, out, order, jobs), "clips", len(todo), len(todo) - len(left), "refused")
    )
    _write_reports(out, todo, order, outcomes)
    counts = Counter(outcome.reason or "corrupted" for outcome in outcomes) + Counter(kept=len(todo) - len(left))
    if not counts["corrupted"] + counts["kept"]:
        raise VsrError(outcomes[0].reason, f"not one clip could be corrupted: {outcomes[0].message}")
    return counts


def _plan_jobs(clips: Sequence[Clip], out: Path, order: Order, voices: Sequence[Clip]) -> tuple[list[Job], Ledger]:
    """The job of each clip, and the ledger of the folder, which is checked. Raises VsrError."""
    ledger = Ledger(out)
    for name in (MANIFEST, DONE, REFUSED):
        check_output(out / name, *[clip.video for clip in clips], *[clip.crop for clip in clips if clip.crop])
        if (out / name).exists() and name not in ledger.records:
            raise VsrError("not_writable", f"{out / name} exists already: choose another --out")
        if essence(ledger.inputs(name) or order.inputs()) != essence(order.inputs()):
            raise VsrError("not_writable", f"{out} holds a set of other settings: choose another --out")
    check_list(out / MANIFEST, clips)
    check_ids((clip.id for clip in clips), out)
    pool = {clip.id: clip for clip in voices or clips}
    names = list(pool)
    return [_job(clip, order, pool, names) for clip in clips], ledger


def _job(clip: Clip, order: Order, pool: dict[str, Clip], names: list[str]) -> Job:
    """``names``: ids of the clips that may babble."""
    drawn = order.settings.sound.draw(names, generator_of(order.seed, clip.id, SOUND), clip.id)
    files = {drawn.noise: Clip("noise", drawn.noise, "")} if drawn.noise and drawn.noise not in KINDS else {}
    return Job(clip, drawn, {name: pool[name] for name in drawn.voices} | files)


def _state(ledger: Ledger, job: Job, order: Order) -> str:
    """Whether a clip's file can be kept, or why not. Raises VsrError for a file that is not of this set."""
    names = [f"{job.clip.id}{suffix}" for suffix in ((".npy",) if order.crops else (".mkv", ".wav"))]
    name = next((candidate for candidate in names if (ledger.folder / candidate).exists()), names[0])
    path = ledger.folder / name
    check_output(path, job.clip.crop if order.crops else job.clip.video)
    state = ledger.state(name, job.inputs(order, ledger.recorded_identity(name, "source")), "source")
    is_other = state not in (KEPT, NEW) and essence(_common(ledger, name, order)) != essence(order.inputs())
    if is_other or state in (UNRECORDED, CHANGED):
        raise VsrError("not_writable", f"{path} exists already and is not part of this set: choose another --out")
    return state


def _common(ledger: Ledger, name: str, order: Order) -> dict:
    """The recorded inputs of a file that are the same for the whole set."""
    return {key: value for key, value in ledger.inputs(name).items() if key in order.inputs()}


def _outcomes(todo: list[Job], out: Path, order: Order, jobs: int | None) -> Iterator[Outcome]:
    if not todo:
        return iter(())
    jobs = jobs or processes_for(len(todo), MEMORY)
    return in_processes(partial(_corrupt, out, order), todo, jobs, _lost, ordered=False)


def _lost(job: Job) -> Outcome:
    return Outcome(job.clip.id, reason="unreadable", message=f"{job.clip.video}: crashes the decoder")


def _corrupt(out: Path, order: Order, job: Job) -> Outcome:
    """Corrupt one clip and write it, its line in the ledger first; a refusal is an outcome, a full disk ends the
    run."""
    inputs = job.inputs(order)
    try:
        if order.crops:
            suffix, write = write_crops(job.clip, order.settings.video, order.seed)
        else:
            suffix, write = corrupted_recording(job.clip, job.sound, job.voices, order.settings, order.seed)
        with atomic_write(out / f"{job.clip.id}{suffix}") as temporary:
            done = write(temporary, order.lossless)
            line = record_of(f"{job.clip.id}{suffix}", temporary, inputs)
            append_records(out, [line | {"done": done}])
    except VsrError as error:
        if error.reason in ("no_space", "not_writable"):
            raise
        return Outcome(job.clip.id, reason=error.reason, message=str(error))
    return Outcome(job.clip.id, f"{job.clip.id}{suffix}")


def _write_reports(out: Path, todo: list[Job], order: Order, outcomes: list[Outcome]) -> None:
    """manifest.jsonl, corruption.json and refused.json of the whole folder."""
    ledger = Ledger(out)
    clips, done = [], {}
    refused = {
        outcome.id: {"reason": outcome.reason, "message": outcome.message} for outcome in outcomes if outcome.reason
    }
    for job in todo:
        names = [f"{job.clip.id}{suffix}" for suffix in (".npy", ".mkv", ".wav")]
        name = next(
            (candidate for candidate in names if candidate in ledger.records and job.clip.id not in refused), None
        )
        if name:
            clips.append(_output_clip(job.clip, str(out / name), order))
            done[job.clip.id] = ledger.records[name].get("done", {})
    if clips:
        write_manifest(out / MANIFEST, clips)
    counts = Counter(entry["reason"] for entry in refused.values())
    write_json(out / REFUSED, {"counts": dict(counts), "clips": refused})
    write_json(out / DONE, {**order.inputs(), "clips": done})
    for name in (MANIFEST, DONE, REFUSED) if clips else (DONE, REFUSED):
        ledger.add(name, order.inputs())


def _output_clip(clip: Clip, path: str, order: Order) -> Clip:
    """The clip as the set's manifest lists it; it keeps its crops if the frames are unchanged."""
    if order.crops:
        return replace(clip, crop=path, track="")  # the points would reveal what is covered
    whole = replace(clip, video=path, start=0.0, end=0.0, sound="")
    return whole if order.settings.video.changes_nothing else replace(whole, crop="", num_frames=0, track="")
