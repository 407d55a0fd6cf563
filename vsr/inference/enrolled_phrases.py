"""Enrolled phrases: a user's own phrases in any language, from one to three clips each, stored as plain files.

Clips are compared by mouth points and a reader's features and states over time (`vsr.decoding.templates`), not by
words, so the reader need not know the language. A phrase is a file `NAME.safetensors`: the streams of its examples, and
as metadata (JSON) the phrase, the reader and the clips' names. Nothing else is kept of a clip.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from vsr.core.errors import VsrError, one_line
from vsr.core.files import atomic_write
from vsr.decoding.defaults import options_for
from vsr.decoding.provenance import search_record
from vsr.decoding.templates import Match, Streams, Templates, normalised, with_motion
from vsr.face.mouth_features import CORNERS, measures_of, repaired
from vsr.face.mouth_points import mouth_meshes
from vsr.inference.face_report import FaceReport
from vsr.inference.speech import speech_windows
from vsr.inference.states import FRONT, LAST, layer_outputs

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel

POINTS = "points"
MOST = 10  # most examples of a phrase
SAME = 1e-4  # tolerance between streams of the same clip from different machines
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Phrase:
    """A phrase: the streams of its examples, the names of their clips, and the reader that made them."""

    phrase: str
    examples: tuple[Streams, ...]
    clips: tuple[str, ...]
    model: dict[str, Any]


@torch.inference_mode()
def streams_of(
    loaded: LoadedModel, path: str | Path, faces: str | int = "largest", cropped: bool = False,
    report: FaceReport | None = None,
) -> Streams:  # fmt: skip
    """The streams of a clip that says one phrase: "frontend" and "last" (T, D), and "points" (T, 36) if the face is
    seen. ``report`` and the VsrErrors are those of `vsr.inference.speech.speech_windows`."""
    chunks: dict[str, list[np.ndarray]] = {FRONT: [], LAST: [], POINTS: []}
    for window in speech_windows(loaded, path, faces, cropped, None if cropped else mouth_meshes(), report):
        for name, values in layer_outputs(loaded, window, (FRONT, LAST)).items():
            chunks[name].append(values)
        if window.mouth is not None:
            chunks[POINTS].append(window.mouth[window.first :])
    streams = {name: normalised(np.concatenate(chunks[name])) for name in (FRONT, LAST)}
    points = points_stream(np.concatenate(chunks[POINTS])) if chunks[POINTS] else None
    return streams if points is None else streams | {POINTS: points}


def points_stream(mouth: np.ndarray) -> np.ndarray | None:
    """Mouth points (T, 14, 2), NaN if not seen -> (T, 36) in mouth widths; None if no frame has points."""
    points, _, is_known = repaired(*measures_of(mouth))
    if not is_known.any():
        return None
    width = max(float(np.linalg.norm((points[:, CORNERS[1]] - points[:, CORNERS[0]]).mean(0))), 1e-3)
    return with_motion(points.reshape(len(points), -1) / width).astype(np.float32)


def reader_of(loaded: LoadedModel) -> dict[str, Any]:
    """Name and weights of a reader, which identify its streams."""
    return search_record(loaded.folder, options_for(loaded), loaded.hashes)["model"]


def enrol(
    loaded: LoadedModel, folder: str | Path, phrase: str, clips: Sequence[str | Path] | str | Path,
    faces: str | int = "largest", cropped: bool = False, names: Sequence[str] | None = None,
    reports: Sequence[FaceReport] | None = None,
) -> Phrase:  # fmt: skip
    """Learn a phrase from clips that say it, or more of one that is known; all clips count, or none.

    Args:
        folder: of the phrases; created if missing.
        clips: that say it; a single one needs no list.
        names: of the clips; default: those of their files.
        reports: one for each clip, which collects how well it was seen.

    Raises:
        VsrError: bad_text for a phrase without words or with more than `MOST` examples, bad_options for a clip that is
            an example already, of this phrase or another, and for examples of another reader; and the errors of
            reading a video.
    """
    clips = [clips] if isinstance(clips, str | Path) else clips
    if not clips:
        raise VsrError("bad_options", "a phrase is learned from clips: give one or several")
    phrase, path = " ".join(phrase.split()), _file_of(folder, phrase)
    _stored_phrase(loaded, path, phrase, len(clips))
    clip_names = list(names or [Path(clip).name for clip in clips])
    pairs = zip(clips, reports or [FaceReport() for _ in clips], strict=True)
    streams = tuple(streams_of(loaded, clip, faces, cropped, clip_seen) for clip, clip_seen in pairs)
    stored = _stored_phrase(
        loaded, path, phrase, len(clips)
    )  # again: another process may have enrolled in the meantime
    _check_new(phrase, streams, clip_names, [read_phrase(file) for file in sorted(Path(folder).glob(f"*{SUFFIX}"))])
    new = Phrase(stored.phrase, stored.examples + streams, stored.clips + tuple(clip_names), stored.model)
    write_phrase(path, new)
    return new


def _check_new(phrase: str, examples: Sequence[Streams], names: Sequence[str], phrases: Sequence[Phrase]) -> None:
    """Refuse a clip that is an example already, of this phrase or another. Raises VsrError bad_options."""
    stored = [
        (item.phrase, name, streams)
        for item in phrases
        for name, streams in zip(item.clips, item.examples, strict=True)
    ]
    for name, streams in zip(names, examples, strict=True):
        for other, clip, other_streams in stored:
            if _same(streams, other_streams):
                problem = f"{name} is an example of {other!r} already"
                remedy = (
                    "film the phrase again" if other == phrase else "give a clip of this phrase, or remove that one"
                )
                raise VsrError("bad_options", f"{problem}{'' if clip == name else f' ({clip})'}: {remedy}")
        stored.append((phrase, name, streams))


def _same(streams: Streams, other: Streams) -> bool:
    """Whether two examples are from the same recording: two recordings never agree in every frame."""
    first, second = streams[FRONT], other.get(FRONT)
    return second is not None and first.shape == second.shape and np.allclose(first, second, atol=SAME)


def _stored_phrase(loaded: LoadedModel, path: Path, phrase: str, more: int) -> Phrase:
    """The stored phrase, or an empty one, to which ``more`` examples are to be added. Raises VsrError as `enrol`."""
    stored = read_phrase(path) if path.is_file() else Phrase(phrase, (), (), reader_of(loaded))
    _check_reader(loaded, stored)
    if len(stored.clips) + more > MOST:
        raise VsrError("bad_text", f"{phrase!r} would have more than {MOST} examples: remove it first")
    return stored


def recognise(
    loaded: LoadedModel,
    phrases: Sequence[Phrase],
    path: str | Path,
    faces: str | int = "largest",
    cropped: bool = False,
    report: FaceReport | None = None,
) -> tuple[list[Match], float]:
    """Every phrase, nearest first, and the fit below which the clip counts as none of them.

    Raises VsrError bad_text, bad_options for phrases of another reader, and the errors of reading a video.
    """
    for phrase in phrases:
        _check_reader(loaded, phrase)
    templates = Templates({item.phrase: item.examples for item in phrases})
    return templates.ranked(streams_of(loaded, path, faces, cropped, report)), templates.threshold()


def read_enrolled(folder: str | Path) -> list[Phrase]:
    """The phrases of a folder, sorted by name. Raises VsrError bad_text for a folder without phrases, unreadable."""
    files = sorted(Path(folder).glob(f"*{SUFFIX}"))
    if not files:
        raise VsrError("bad_text", f"{folder}: no phrase is enrolled there (vsr phrases enrol NAME CLIP)")
    return sorted((read_phrase(path) for path in files), key=lambda item: item.phrase.casefold())


def remove(folder: str | Path, phrase: str) -> None:
    """Delete a phrase. Raises VsrError bad_text if it is not enrolled."""
    path = _file_of(folder, phrase)
    if not path.is_file():
        raise VsrError("bad_text", f"{folder}: the phrase {phrase!r} is not enrolled there")
    path.unlink()


def write_phrase(path: Path, phrase: Phrase) -> None:
    """Write a phrase's file atomically. Raises VsrError not_writable, no_space."""
    from safetensors.numpy import save_file

    numbered = enumerate(phrase.examples, start=1)
    arrays = {
        f"{number}.{name}": np.ascontiguousarray(values)
        for number, example in numbered
        for name, values in example.items()
    }
    about = {"phrase": phrase.phrase, "clips": list(phrase.clips), "model": phrase.model}
    with atomic_write(path) as temporary:
        save_file(arrays, str(temporary), {"about": json.dumps(about, ensure_ascii=False)})


def read_phrase(path: Path) -> Phrase:
    """Read a phrase's file. Raises VsrError unreadable."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as stored:
            about = json.loads(stored.metadata()["about"])
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  not a mapping
        examples: list[dict[str, np.ndarray]] = [{} for _ in about["clips"]]
        for key, values in arrays.items():
            number, name = key.split(".")
            examples[int(number) - 1][name] = values
        return Phrase(about["phrase"], tuple(examples), tuple(about["clips"]), about["model"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, IndexError) as error:
        raise VsrError("unreadable", f"{path}: no phrase of vsr phrases enrol: {one_line(error)}") from error


def _file_of(folder: str | Path, phrase: str) -> Path:
    """The file of a phrase: its letters that every file system accepts, and a hash to keep names apart."""
    words = " ".join(phrase.split())
    if not words or len(words) > 200:
        raise VsrError("bad_text", "a phrase has a name of up to 200 letters")
    if any("\ud800" <= letter <= "\udfff" for letter in words):
        raise VsrError("bad_text", f"{words!r} is no text in the encoding of this terminal (its locale)")
    letters = re.sub(r"[^a-z0-9]+", "-", words.casefold()).strip("-")[:40]
    return Path(folder) / f"{letters}-{hashlib.sha256(words.casefold().encode()).hexdigest()[:8]}{SUFFIX}".lstrip("-")


def _check_reader(loaded: LoadedModel, phrase: Phrase) -> None:
    reader = reader_of(loaded)
    if phrase.model.get("sha256") != reader["sha256"]:  # the name may have changed since
        problem = f"was enrolled with the reader {phrase.model.get('name')}, not with {reader['name']}"
        raise VsrError("bad_options", f"{phrase.phrase!r} {problem}: give that one with --model, or enrol it again")
