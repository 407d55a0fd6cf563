"""A user's own phrases in any language: enrolled with one to three clips each, stored as plain files, recognised.

What is compared are the mouth's points and a reader's features and states over time (`vsr.decoding.templates`); the
words themselves are never looked at, so no reader has to know them. A phrase is a file `NAME.safetensors`: the streams
of its examples, and as metadata (JSON) the phrase, the reader and the clips' names. Nothing else is kept of a clip.
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
from vsr.decoding.provenance import searched
from vsr.decoding.templates import Match, Streams, Templates, normalised, with_motion
from vsr.face.mouth_features import CORNERS, measures_of, repaired
from vsr.face.mouth_points import mouth_meshes
from vsr.inference.seen import Seen
from vsr.inference.speech import spoken
from vsr.inference.states import FRONT, LAST, observed

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel

POINTS = "points"
MOST = 10  # examples of a phrase
SAME = 1e-4  # by which stored streams of one clip may differ, from machine to machine
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Phrase:
    """A phrase: its examples' streams, the names of their clips, and which reader saw them."""

    phrase: str
    examples: tuple[Streams, ...]
    clips: tuple[str, ...]
    model: dict[str, Any]


@torch.inference_mode()
def streams_of(
    loaded: LoadedModel, path: str | Path, faces: str | int = "largest", cropped: bool = False,
    seen: Seen | None = None,
) -> Streams:  # fmt: skip
    """What is compared of a clip whose lips say one phrase: "frontend" and "last" (T, D), "points" (T, 36) where the
    face is seen. ``seen`` is told how well, and VsrError raised, as by `vsr.inference.speech.spoken`."""
    found: dict[str, list[np.ndarray]] = {FRONT: [], LAST: [], POINTS: []}
    for own in spoken(loaded, path, faces, cropped, None if cropped else mouth_meshes(), seen):
        for name, values in observed(loaded, own, (FRONT, LAST)).items():
            found[name].append(values)
        if own.mouth is not None:
            found[POINTS].append(own.mouth[own.first :])
    streams = {name: normalised(np.concatenate(found[name])) for name in (FRONT, LAST)}
    points = points_stream(np.concatenate(found[POINTS])) if found[POINTS] else None
    return streams if points is None else streams | {POINTS: points}


def points_stream(mouth: np.ndarray) -> np.ndarray | None:
    """Mouth points (T, 14, 2), NaN where they were not seen -> (T, 36), in mouth widths; None where none was seen."""
    points, _, known = repaired(*measures_of(mouth))
    if not known.any():
        return None
    width = max(float(np.linalg.norm((points[:, CORNERS[1]] - points[:, CORNERS[0]]).mean(0))), 1e-3)
    return with_motion(points.reshape(len(points), -1) / width).astype(np.float32)


def reader_of(loaded: LoadedModel) -> dict[str, Any]:
    """Name and weights of a reader, by which its streams are known again."""
    return searched(loaded.folder, options_for(loaded), loaded.hashes)["model"]


def enrol(
    loaded: LoadedModel, folder: str | Path, phrase: str, clips: Sequence[str | Path], faces: str | int = "largest",
    cropped: bool = False, names: Sequence[str] | None = None, seen: Sequence[Seen] | None = None,
) -> Phrase:  # fmt: skip
    """Learn a phrase from clips that say it, or more of one that is known; all clips count, or none.

    Args:
        folder: of the phrases; made where it is not there.
        names: of the clips, where they are not those of their files.
        seen: one for each clip, which is told how well it was seen.

    Raises:
        VsrError: bad_text for a phrase without words or with more than `MOST` examples, bad_options for a clip that is
            an example already, of this phrase or another, and for examples of another reader; and what a video is
            refused for.
    """
    phrase, path = " ".join(phrase.split()), _file_of(folder, phrase)
    _known(loaded, path, phrase, len(clips))
    given = list(names or [Path(clip).name for clip in clips])
    each = zip(clips, seen or [Seen() for _ in clips], strict=True)
    streams = tuple(streams_of(loaded, clip, faces, cropped, own) for clip, own in each)
    known = _known(loaded, path, phrase, len(clips))  # again: another process may have enrolled in the meantime
    _check_new(phrase, streams, given, [read_phrase(file) for file in sorted(Path(folder).glob(f"*{SUFFIX}"))])
    new = Phrase(known.phrase, known.examples + streams, known.clips + tuple(given), known.model)
    write_phrase(path, new)
    return new


def _check_new(phrase: str, seen: Sequence[Streams], names: Sequence[str], phrases: Sequence[Phrase]) -> None:
    """A clip that counts twice is no second example, and one of two phrases tells neither. Raises VsrError."""
    known = [
        (own.phrase, name, streams) for own in phrases for name, streams in zip(own.clips, own.examples, strict=True)
    ]
    for name, streams in zip(names, seen, strict=True):
        for other, clip, theirs in known:
            if _same(streams, theirs):
                already = f"{name} is an example of {other!r} already"
                what = "film the phrase again" if other == phrase else "give a clip of this phrase, or remove that one"
                raise VsrError("bad_options", f"{already}{'' if clip == name else f' ({clip})'}: {what}")
        known.append((phrase, name, streams))


def _same(streams: Streams, others: Streams) -> bool:
    """Whether two examples are of one recording, whatever its name: no two say a phrase alike to the frame."""
    own, other = streams[FRONT], others.get(FRONT)
    return other is not None and own.shape == other.shape and np.allclose(own, other, atol=SAME)


def _known(loaded: LoadedModel, path: Path, phrase: str, more: int) -> Phrase:
    """What is known of a phrase that gets more examples. Raises VsrError as `enrol`."""
    known = read_phrase(path) if path.is_file() else Phrase(phrase, (), (), reader_of(loaded))
    _check_reader(loaded, known)
    if len(known.clips) + more > MOST:
        raise VsrError("bad_text", f"{phrase!r} would have more than {MOST} examples: remove it first")
    return known


def recognise(
    loaded: LoadedModel,
    phrases: Sequence[Phrase],
    path: str | Path,
    faces: str | int = "largest",
    cropped: bool = False,
    seen: Seen | None = None,
) -> tuple[list[Match], float]:
    """Every phrase, the nearest first, and the fit below which it is none of them.

    Raises VsrError bad_text, bad_config, and what a video is refused for.
    """
    for phrase in phrases:
        _check_reader(loaded, phrase)
    templates = Templates({own.phrase: own.examples for own in phrases})
    return templates.ranked(streams_of(loaded, path, faces, cropped, seen)), templates.threshold()


def enrolled(folder: str | Path) -> list[Phrase]:
    """The phrases of a folder, by their names. Raises VsrError bad_text for one that has none, unreadable."""
    files = sorted(Path(folder).glob(f"*{SUFFIX}"))
    if not files:
        raise VsrError("bad_text", f"{folder}: no phrase is enrolled there (vsr phrases enrol NAME CLIP)")
    return sorted((read_phrase(path) for path in files), key=lambda own: own.phrase.casefold())


def remove(folder: str | Path, phrase: str) -> None:
    """Forget a phrase. Raises VsrError bad_text where there is none such."""
    path = _file_of(folder, phrase)
    if not path.is_file():
        raise VsrError("bad_text", f"{folder}: the phrase {phrase!r} is not enrolled there")
    path.unlink()


def write_phrase(path: Path, phrase: Phrase) -> None:
    """Write a phrase's file, whole or not at all. Raises VsrError not_writable, no_space."""
    from safetensors.numpy import save_file

    each = enumerate(phrase.examples, start=1)
    arrays = {
        f"{number}.{name}": np.ascontiguousarray(own) for number, example in each for name, own in example.items()
    }
    about = {"phrase": phrase.phrase, "clips": list(phrase.clips), "model": phrase.model}
    with atomic_write(path) as temporary:
        save_file(arrays, str(temporary), {"about": json.dumps(about, ensure_ascii=False)})


def read_phrase(path: Path) -> Phrase:
    """A phrase's file. Raises VsrError unreadable."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as stored:
            about = json.loads(stored.metadata()["about"])
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  no mapping
        examples: list[dict[str, np.ndarray]] = [{} for _ in about["clips"]]
        for key, own in arrays.items():
            number, name = key.split(".")
            examples[int(number) - 1][name] = own
        return Phrase(about["phrase"], tuple(examples), tuple(about["clips"]), about["model"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, IndexError) as error:
        raise VsrError("unreadable", f"{path}: no phrase of vsr phrases enrol: {one_line(error)}") from error


def _file_of(folder: str | Path, phrase: str) -> Path:
    """Where a phrase is kept: its letters as far as every disk takes them, and what tells it from others like it."""
    words = " ".join(phrase.split())
    if not words or len(words) > 200:
        raise VsrError("bad_text", "a phrase has a name of up to 200 letters")
    letters = re.sub(r"[^a-z0-9]+", "-", words.casefold()).strip("-")[:40]
    return Path(folder) / f"{letters}-{hashlib.sha256(words.casefold().encode()).hexdigest()[:8]}{SUFFIX}".lstrip("-")


def _check_reader(loaded: LoadedModel, phrase: Phrase) -> None:
    own = reader_of(loaded)
    if phrase.model.get("sha256") != own["sha256"]:  # a name may have been another one then
        problem = f"was enrolled with the reader {phrase.model.get('name')}, not with {own['name']}"
        raise VsrError("bad_options", f"{phrase.phrase!r} {problem}: give that one with --model, or enrol it again")
