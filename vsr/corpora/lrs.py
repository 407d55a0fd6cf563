"""The common format of LRS2 and LRS3 (Afouras, Chung and Zisserman 2018): transcripts with word tables, trees, lists.

A transcript is ``Text:  WORDS``, further ``Key: value`` lines, then tables separated by blank lines: ``FRAME X Y W H``
with a row per frame, and ``WORD START END ASDSCORE`` with a row per word, which only pretrain always has.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.corpora.pauses import MAX_SECONDS, Word, cut_at_pauses
from vsr.data.manifest import Clip

WORD_HEADER = ["WORD", "START", "END"]


@dataclass(frozen=True)
class Transcript:
    """text: the words, in the corpus's case; words: its word table, () if there is none; frames: rows of the frame
    table, 0 if there is none; fault: why the word table could not be used, "" if it could."""

    text: str
    words: tuple[Word, ...] = ()
    frames: int = 0
    fault: str = ""


@dataclass
class Subset:
    """clips: published name (``test/<talk>/00001``) -> its clips, several if it was cut; skipped: name -> reason;
    faults: name -> a problem that does not stop the preparation; bad: errors that must be fixed before writing."""

    clips: dict[str, list[Clip]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    bad: list[str] = field(default_factory=list)

    def words(self) -> int:
        """Number of words in all transcripts."""
        return sum(len(clip.text.split()) for clips in self.clips.values() for clip in clips)


def read_transcript(path: str | Path) -> Transcript:
    """Read one transcript file. Raises VsrError bad_corpus if it cannot be read or has no ``Text:``."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise VsrError("bad_corpus", f"{path}: cannot be read ({type(error).__name__})") from error
    text = next((line.split(":", 1)[1] for line in lines if line.strip().startswith("Text:")), None)
    if text is None:
        raise VsrError("bad_corpus", f"{path}: has no line 'Text: ...'")
    frames = sum(1 for _ in _rows(lines, ["FRAME"]))
    try:
        return Transcript(without_braces(text), tuple(_words(lines)), frames)
    except ValueError as error:
        return Transcript(without_braces(text), (), frames, f"word table: {error}")


def without_braces(text: str) -> str:
    """Single spaces, and no braces around ``{words}`` that the aligner's dictionary lacked, as published."""
    return " ".join(text.replace("{", "").replace("}", "").split())


def _rows(lines: list[str], header: list[str]) -> Iterator[tuple[int, list[str]]]:
    """(line number, columns) of the table with that header, to the next blank line. White space separates columns."""
    columns = [line.split() for line in lines]
    first = next((i for i, row in enumerate(columns) if row[: len(header)] == header), len(lines))
    for number in range(first + 1, len(lines)):
        if not columns[number]:
            return
        yield number + 1, columns[number]


def _words(lines: list[str]) -> Iterator[Word]:
    """Rows of the word table. Raises ValueError naming the line."""
    last = 0.0
    for number, columns in _rows(lines, WORD_HEADER):
        try:
            word, start, end = without_braces(columns[0]), float(columns[1]), float(columns[2])
        except (ValueError, IndexError):
            raise ValueError(f"line {number} is not 'WORD START END SCORE'") from None
        if not last <= start <= end < float("inf"):
            raise ValueError(f"line {number} goes back in time")
        last = start
        if word:
            yield word, start, end


def read_subset(root: Path, subset: str, max_seconds: float = MAX_SECONDS) -> Subset:
    """All clips of ``root/subset/<talk>/NNNNN.{mp4,txt}``; longer clips with a word table are cut at pauses."""
    result = Subset()
    for talk in sorted(entry.name for entry in os.scandir(root / subset) if entry.is_dir()):
        files = {entry.name for entry in os.scandir(root / subset / talk)}
        for stem in sorted({os.path.splitext(name)[0] for name in files if name.endswith((".mp4", ".txt"))}):
            name = f"{subset}/{talk}/{stem}"
            if f"{stem}.mp4" not in files:
                result.skipped[name] = "no video"
            elif f"{stem}.txt" not in files:
                result.skipped[name] = "no transcript"
            else:
                _read_clip(result, root, name, max_seconds)
    return result


def _read_clip(result: Subset, root: Path, name: str, max_seconds: float) -> None:
    """Add the clips of one published clip, or why it has none, to the subset."""
    try:
        transcript = read_transcript(root / f"{name}.txt")
    except VsrError as error:
        result.bad.append(str(error))
        return
    if transcript.fault:
        result.faults[name] = transcript.fault
    clips = clips_of(name, str(root / f"{name}.mp4"), transcript, max_seconds)
    if not transcript.text:
        result.skipped[name] = "no words"
    elif not clips:
        result.skipped[name] = f"longer than {max_seconds:g} s without a usable word table"
    else:
        result.clips[name] = clips


def clips_of(name: str, video: str, transcript: Transcript, max_seconds: float = MAX_SECONDS) -> list[Clip]:
    """The clip, or its pieces if it is cut: ``pretrain/<talk>/00001`` -> ids ``pretrain_<talk>_00001_00``, ...

    A clip without a word table is kept whole, unless its frame table shows that it is too long.
    """
    talk, clip_id = name.split("/")[-2], name.replace("/", "_")
    seconds = transcript.frames / FPS
    if not transcript.words or 0 < seconds <= max_seconds:
        return [Clip(clip_id, video, transcript.text, talk, words=transcript.words)] if seconds <= max_seconds else []
    pieces = cut_at_pauses(transcript.words, max_seconds)
    ids = [clip_id] if len(pieces) == 1 else [f"{clip_id}_{index:02d}" for index in range(len(pieces))]
    return [
        Clip(piece_id, video, piece.text, talk, words=piece.words, start=piece.start, end=piece.end)
        for piece_id, piece in zip(ids, pieces, strict=True)
    ]


def stop_if_bad(subsets: Iterable[Subset]) -> None:
    """Raise VsrError with the number of unreadable transcripts and the first one."""
    bad = [line for subset in subsets for line in subset.bad]
    if bad:
        rest = f" (and {len(bad) - 1} more transcripts)" if len(bad) > 1 else ""
        raise VsrError("bad_corpus", f"{bad[0]}{rest}")


def read_names(path: Path) -> list[str]:
    """First column of a published list. Raises VsrError if it is missing or empty."""
    try:
        names = [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise VsrError("bad_corpus", f"cannot read the list {path} ({type(error).__name__})") from error
    if not names:
        raise VsrError("bad_corpus", f"the list {path} is empty")
    return names


def select(clips: dict[str, list[Clip]], names: list[str], source: Path) -> list[Clip]:
    """The clips of a published list. Raises VsrError if the list names missing clips."""
    absent = [name for name in names if name not in clips]
    if absent:
        raise VsrError("bad_corpus", f"{source} names {len(absent)} clips that the corpus lacks, such as {absent[0]}")
    return [clip for name in names for clip in clips[name]]
