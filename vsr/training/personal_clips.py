"""Crops of a person's clips for the time of an adaptation: transcribed clips whole, footage in stretches of speech."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from vsr.core.clock import FPS
from vsr.core.errors import CLIP_REASONS, VsrError
from vsr.core.files import read_json
from vsr.core.progress import counted
from vsr.data.cropping import MANIFEST, crop_corpus
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.data.stretches import frames_of, speech_clips
from vsr.data.track_files import add_tracks
from vsr.decoding.defaults import preferred_window
from vsr.decoding.encoding import mesh_for, reads_tracks
from vsr.modelstore.folder import LoadedModel

SILENT = ("covered", "at_rest")  # of footage in which nobody is seen to speak
UNUSABLE = (*CLIP_REASONS, *SILENT)  # what is wrong with one video alone
Say = Callable[[str], None]


@contextmanager
def cropped(
    loaded: LoadedModel,
    transcribed: Sequence[Clip],
    untranscribed: Sequence[Clip],
    jobs: int | None,
    say: Say,
    refused: list[str] | None = None,
) -> Iterator[tuple[list[Clip], list[Clip]]]:
    """Both with mouth crops, and tracks if the model reads them, which lie in a folder for the time of the block.

    Clips that have a crop are taken as they are. An untranscribed video becomes the stretches in which the face that
    speaks longest speaks. ``say`` is given the reason of each video that is refused, and a list ``refused`` what it is,
    unless it is footage in which nobody speaks. Raises VsrError bad_manifest where none is left, no_space.
    """
    left: list[str] = [] if refused is None else refused
    with tempfile.TemporaryDirectory(prefix="vsr_adapt_") as place:
        texts = _whole(loaded, transcribed, Path(place), jobs, say, left)
        footage = _stretches(loaded, untranscribed, Path(place), say, left)
        if not texts and not footage:
            raise VsrError("bad_manifest", "no clip is left: in none of the videos could lips be followed")
        yield texts, footage


def _has_crop(clip: Clip) -> bool:
    return bool(clip.crop and clip.num_frames)


def _whole(
    loaded: LoadedModel, clips: Sequence[Clip], place: Path, jobs: int | None, say: Say, refused: list[str]
) -> list[Clip]:  # fmt: skip
    """The clips that have crops, and the others with the crops that are made of them."""
    have, todo = [clip for clip in clips if _has_crop(clip)], [clip for clip in clips if not _has_crop(clip)]
    if not todo:
        return have
    listed, crops = place / "clips.jsonl", place / "crops"
    write_manifest(listed, todo)
    crop_corpus(listed, crops, jobs or 1)
    for clip_id, refusal in read_json(crops / "refused.json")["clips"].items():
        say(f"{clip_id} is left out: {refusal['message']}")
        refused.append(clip_id)
    if not (crops / MANIFEST).stat().st_size:
        return have
    if reads_tracks(loaded):
        add_tracks(crops, jobs or 1)
    return have + read_manifest(crops / MANIFEST)


def _stretches(
    loaded: LoadedModel, clips: Sequence[Clip], place: Path, say: Say, refused: list[str]
) -> list[Clip]:  # fmt: skip
    """The clips that have crops, and the stretches of speech of the others."""
    found, todo = [clip for clip in clips if _has_crop(clip)], [clip for clip in clips if not _has_crop(clip)]
    window, mesh = preferred_window(loaded), mesh_for(loaded)
    for clip in counted(todo, "footage", len(todo)) if todo else ():
        try:
            own, *others = speech_clips(clip, place, window, mesh)
        except VsrError as error:
            if error.reason not in UNUSABLE:
                raise
            say(f"left out: {error}")
            refused += [] if error.reason in SILENT else [clip.id]
            continue
        if others:
            say(f"{clip.video}: {_left(own, others)}")
        found += own
    return found


def _left(own: list[Clip], others: list[list[Clip]]) -> str:
    """What is said of the faces of a video that are not learnt from; a person whom a cut made two may be among them."""
    seconds, left = (frames_of(chain.from_iterable(faces)) / FPS for faces in ([own], others))
    faces = "another face" if len(others) == 1 else f"{len(others)} other faces"
    return f"learns from the face that speaks longest ({seconds:.0f} s); {faces} ({left:.0f} s) left out"
