"""The manifest: one JSON object a line for one clip, the only interface between the stages of a recipe."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from vsr.core.errors import VsrError
from vsr.core.files import read_lines, write_lines

SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]*")


@dataclass(frozen=True)
class Clip:
    """One utterance.

    Args:
        id: unique in a corpus and safe as a file name, such as ``s1_bbaf2n``.
        video: path of the video file.
        text: transcript.
        speaker: who speaks.
        num_frames: length of the crop at 25 frames/s; 0 before cropping.
        crop: path of the mouth crop, (T, 96, 96) uint8 .npy; empty before cropping.
        words: (word, start, end) in seconds from the clip's start, where the corpus knows them.
        start, end: the part of the video that is the clip, in seconds after the container's start (the zero that
            players show), whatever its first time stamp; end 0 is the end of the file.
        track: path of the track of mouth points, an .npz of `vsr.face.mouth_features`; empty where there is none.
        sound: path of its sound on the clock of the crop, a .wav of `vsr waves`; empty where there is none.
        phones: (IPA label, start, end) likewise, where the corpus knows them.
        language: what is spoken, as "fr"; empty where the corpus is of one language and does not say it.
        translations: the text in other languages, such as {"es": "..."}, where the corpus has them.
    """

    id: str
    video: str
    text: str
    speaker: str = ""
    num_frames: int = 0
    crop: str = ""
    words: tuple[tuple[str, float, float], ...] = ()
    start: float = 0.0
    end: float = 0.0
    track: str = ""
    sound: str = ""
    phones: tuple[tuple[str, float, float], ...] = ()
    language: str = ""
    translations: dict[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self):
        if not SAFE_ID.fullmatch(self.id):
            raise ValueError(f"id '{self.id}' is not safe as a file name (letters, digits, . _ @ + -)")
        for name in ("video", "crop", "track", "sound"):
            if "\0" in getattr(self, name):
                raise ValueError(f"{self.id}: '{name}' has a null character, which no file name has")
        if not 0 <= self.start < math.inf or self.end and not self.start < self.end < math.inf:
            raise ValueError(f"{self.id}: the part from {self.start} s to {self.end} s is empty")
        for name, what in (("words", "word"), ("phones", "phone")):
            spans = tuple((str(w), float(a), float(b)) for w, a, b in getattr(self, name))
            object.__setattr__(self, name, spans)
            for label, start, end in spans:
                if not 0 <= start <= end < math.inf:
                    raise ValueError(f"{self.id}: the {what} '{label}' lasts from {start} s to {end} s: no such times")


NEEDED = ("id", "video", "text")
TOLD: dict[str, tuple[type | tuple[type, ...], str]] = {
        "str": (str, "a string"), "int": (int, "a whole number"), "float": ((int, float), "a number"),
        "dict[str, str]": (dict, "texts by language")}  # fmt: skip
KINDS = {attribute.name: TOLD.get(str(attribute.type), (list, "a list")) for attribute in fields(Clip)}


def read_manifest(path: str | Path) -> list[Clip]:
    """The clips of a JSONL manifest, in its order. Raises VsrError naming the file and line of what is wrong."""
    clips = [_parse(line, f"{path}, line {number}") for number, line in read_lines(path)]
    seen: set[str] = set()
    for clip in clips:
        if clip.id in seen:
            raise VsrError("bad_manifest", f"{path}: the id {clip.id} is there twice")
        seen.add(clip.id)
    if not clips:
        raise VsrError("bad_manifest", f"the manifest {path} has no clips")
    return clips


def read_manifests(paths: Iterable[str | Path]) -> list[Clip]:
    """The clips of several manifests, one after another. Raises VsrError like `read_manifest`."""
    return [clip for path in paths for clip in read_manifest(path)]


def translation_of(clip: Clip, language: str) -> str | None:
    """The text of a clip in a language: the transcript if that is spoken, or a translation; None without either."""
    return clip.text if clip.language == language else clip.translations.get(language)


def translations_of(clips: Sequence[Clip], language: str) -> dict[str, str]:
    """id -> text in a language, for the clips that have it. Raises VsrError bad_manifest where none has, naming the
    languages that there are."""
    texts = {clip.id: text for clip in clips if (text := translation_of(clip, language)) is not None}
    if not texts:
        languages = ", ".join(sorted({name for clip in clips for name in clip.translations})) or "none"
        raise VsrError("bad_manifest", f"no clip has a translation into {language}; there is {languages}")
    return texts


def need_crops(clips: Sequence[Clip]) -> None:
    """Raise VsrError bad_manifest if some clips have no mouth crop."""
    missing = [clip.id for clip in clips if not clip.crop or clip.num_frames < 1]
    if missing:
        example = f"{len(missing)} clips have no mouth crop, such as {missing[0]}"
        raise VsrError("bad_manifest", f"{example}: run vsr crop first")


def _parse(line: str, where: str) -> Clip:
    try:
        record = _json(line)
        _check_fields(record)
        return Clip(**record)
    except (ValueError, TypeError) as error:
        raise VsrError("bad_manifest", f"{where}: {error}") from error


def _json(line: str) -> Any:
    """The value of a line, None for what is no JSON."""
    with suppress(json.JSONDecodeError):
        return json.loads(line)


def _check_fields(record) -> None:
    """Raise ValueError for a record that is not a clip, naming the field that is wrong."""
    if not isinstance(record, dict):
        raise ValueError("no JSON object, such as {" + '"id": "a", "video": "a.mp4", "text": "hello"}')
    if absent := [name for name in NEEDED if name not in record]:
        raise ValueError(f"has no '{absent[0]}'")
    if unknown := sorted(record.keys() - KINDS.keys()):
        raise ValueError(f"unknown field '{unknown[0]}'")
    for name, value in record.items():
        kind, expected = KINDS[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"'{name}' is {json.dumps(value)}, not {expected}")
    if wrong := [name for name, text in record.get("translations", {}).items() if not isinstance(text, str)]:
        raise ValueError(f"the translation '{wrong[0]}' is no text")
    for name, what in (("words", "word"), ("phones", "phone")):
        for span in record.get(name, ()):
            if not isinstance(span, list) or len(span) != 3:
                raise ValueError(f"'{name}' holds {json.dumps(span)}, not [{what}, start, end]")


def write_manifest(path: str | Path, clips: Iterable[Clip]) -> None:
    """Write clips as JSONL, atomically."""
    write_lines(path, (json.dumps(asdict(clip), ensure_ascii=False) for clip in clips))
