"""Temporary crops of a person's clips for an adaptation: transcribed clips whole, footage in stretches of speech."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from vsr.core.clock import FPS
from vsr.core.errors import CLIP_REASONS, VsrError
from vsr.core.files import read_json
from vsr.core.progress import count_items
from vsr.data.cropping import MANIFEST, crop_corpus
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.data.speech_clips import frames_of, speech_clips
from vsr.data.track_files import add_tracks
from vsr.decoding.defaults import preferred_window
from vsr.decoding.encoding import mesh_for, reads_tracks
from vsr.modelstore.folder import LoadedModel

SILENT = ("covered", "at_rest")  # reasons of footage in which nobody is seen to speak
UNUSABLE = (*CLIP_REASONS, *SILENT)  # reasons that concern a single video
Say = Callable[[str], None]


@contextmanager
def cropped_clips(
    loaded: LoadedModel,
    transcribed: Sequence[Clip],
    untranscribed: Sequence[Clip],
    jobs: int | None,
    say: Say,
    refused: list[str] | None = None,
) -> Iterator[tuple[list[Clip], list[Clip]]]:
    """Both lists of clips with mouth crops, and tracks if the model reads them, in a temporary folder.

    Clips that have a crop are taken as they are. An untranscribed video becomes the stretches of speech of the face
    that speaks longest. ``say`` prints why a video is refused, and the list ``refused`` receives its name, unless it is
    footage in which nobody speaks. Raises VsrError bad_manifest where no clip is left, no_space.
    """
    left_out: list[str] = [] if refused is None else refused
    with tempfile.TemporaryDirectory(prefix="vsr_adapt_") as folder:
        texts = _with_crops(loaded, transcribed, Path(folder), jobs, say, left_out)
        footage = _stretches(loaded, untranscribed, Path(folder), say, left_out)
        if not texts and not footage:
            raise VsrError("bad_manifest", "no clip is left: in none of the videos could lips be followed")
        yield texts, footage


def _has_crop(clip: Clip) -> bool:
    return bool(clip.crop and clip.num_frames)


def _with_crops(
    loaded: LoadedModel, clips: Sequence[Clip], folder: Path, jobs: int | None, say: Say, refused: list[str]
) -> list[Clip]:  # fmt: skip
    """The clips that have crops, and the others with newly made crops."""
    done, todo = [clip for clip in clips if _has_crop(clip)], [clip for clip in clips if not _has_crop(clip)]
    if not todo:
        return done
    listed, crops = folder / "clips.jsonl", folder / "crops"
    write_manifest(listed, todo)
    crop_corpus(listed, crops, jobs or 1)
    for clip_id, refusal in read_json(crops / "refused.json")["clips"].items():
        say(f"{clip_id} is left out: {refusal['message']}")
        refused.append(clip_id)
    if not (crops / MANIFEST).stat().st_size:
        return done
    if reads_tracks(loaded):
        add_tracks(crops, jobs or 1)
    return done + read_manifest(crops / MANIFEST)


def _stretches(
    loaded: LoadedModel, clips: Sequence[Clip], folder: Path, say: Say, refused: list[str]
) -> list[Clip]:  # fmt: skip
    """The clips that have crops, and the stretches of speech of the others."""
    result, todo = [clip for clip in clips if _has_crop(clip)], [clip for clip in clips if not _has_crop(clip)]
    window, mesh = preferred_window(loaded), mesh_for(loaded)
    for clip in count_items(todo, "footage", len(todo)) if todo else ():
        try:
            speaker, *others = speech_clips(clip, folder, window, mesh)
        except VsrError as error:
            if error.reason not in UNUSABLE:
                raise
            say(f"left out: {error}")
            refused += [] if error.reason in SILENT else [clip.id]
            continue
        if others:
            say(f"{clip.video}: {_left_out_note(speaker, others)}")
        result += speaker
    return result


def _left_out_note(speaker: list[Clip], others: list[list[Clip]]) -> str:
    """The line on the faces of a video that are left out; they may include the same person after a cut."""
    seconds, left = (frames_of(chain.from_iterable(faces)) / FPS for faces in ([speaker], others))
    faces = "another face" if len(others) == 1 else f"{len(others)} other faces"
    return f"learns from the face that speaks longest ({seconds:.0f} s); {faces} ({left:.0f} s) left out"
