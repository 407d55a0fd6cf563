"""A Kaldi data folder: text, utt2spk, spk2utt, video.scp, segments, utt2num_frames, crop.scp.

Utterance ids begin with their speaker, and every file is sorted by them, as Kaldi requires. With ``segments`` the keys
of video.scp are recordings, else utterances. There is no wav.scp: the sound is inside the videos.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import read_lines, write_lines
from vsr.core.numbers import is_number
from vsr.data.exchange.convert import Settings, frame_count, id_of, unique
from vsr.data.manifest import Clip

Named = Sequence[tuple[str, Clip]]  # (utterance id, clip)

OFFSET = re.compile(r"\.ark:\d+$")


def read(path: Path, settings: Settings) -> list[Clip]:
    """Clips of a data folder; video.scp may also be called wav.scp. Raises VsrError bad_manifest."""
    table = {name: _table(path / name) for name in ("text", "utt2spk", "segments", "utt2num_frames")}
    table["crop.scp"] = _files(path / "crop.scp")
    videos = _files(path / "video.scp") or _files(path / "wav.scp")
    if not table["text"]:
        raise VsrError("bad_manifest", f"{path} is no Kaldi data folder: it has no text")
    return unique([_clip(path, utterance, table, videos) for utterance in table["text"]], path)


def _table(path: Path) -> dict[str, str]:
    """First column -> the rest of the line, unchanged; {} without such a file. Raises VsrError."""
    if not path.is_file():
        return {}
    entries: dict[str, str] = {}
    for number, line in read_lines(path):
        key, *rest = line.strip().split(maxsplit=1)
        if key in entries:
            raise VsrError("bad_manifest", f"{path}, line {number}: {key} is there twice")
        entries[key] = "".join(rest)
    return entries


def _files(path: Path) -> dict[str, str]:
    """Key -> path, from an .scp file. Raises VsrError for entries that only Kaldi's programs can read."""
    entries = _table(path)
    for key, file in entries.items():
        if not file or file == "-" or file.startswith("|") or file.endswith("|"):
            problem = f"'{file}' is a command" if "|" in file else "names no file"
            raise VsrError("bad_manifest", f"{path}, {key}: {problem}: give the path of a video or crop")
        if OFFSET.search(file):
            raise VsrError("bad_manifest", f"{path}, {key}: '{file}' is a place in an archive: give the path of a file")
    return entries


def _clip(path: Path, utterance: str, table: dict[str, dict[str, str]], videos: dict[str, str]) -> Clip:
    recording, start, end = utterance, 0.0, 0.0
    try:
        if table["segments"]:
            recording, *times = table["segments"][utterance].split()
            start, end = (_seconds(time) for time in times)
        video = videos[recording]
    except (KeyError, ValueError) as error:
        raise VsrError("bad_manifest", f"{path}: nothing usable in segments or video.scp for {utterance}") from error
    speaker = table["utt2spk"].get(utterance, "")
    frames = frame_count(table["utt2num_frames"].get(utterance, "0"), f"{path}/utt2num_frames, {utterance}")
    crop, text = table["crop.scp"].get(utterance, ""), " ".join(table["text"][utterance].split())
    try:
        return Clip(id_of(utterance), video, text, speaker, frames, crop, start=start, end=end)
    except ValueError as error:
        raise VsrError("bad_manifest", f"{path}/segments: {error}") from error


def _seconds(text: str) -> float:
    """A time in seconds; 0 for negative values, which are Kaldi's "to the end". Raises ValueError."""
    seconds = float(text)
    if not is_number(seconds):
        raise ValueError(f"{text} is no time")
    return max(0.0, seconds)


def write(clips: list[Clip], out: Path, settings: Settings) -> None:
    """Write the folder. Raises VsrError bad_manifest for a path that no table can hold, not_writable, no_space."""
    if unusable := [clip for clip in clips if not _is_plain(clip.video) or not _is_plain(clip.crop)]:
        raise VsrError(
            "bad_manifest", f"{unusable[0].id}: Kaldi's files cannot hold such a path: {unusable[0].video!r}"
        )
    named = sorted(((utterance_id(clip), clip) for clip in clips), key=lambda pair: pair[0])
    files = {"text": [f"{name} {' '.join(clip.text.split())}" for name, clip in named]}
    files |= _speakers(named) | _videos(named)
    if all(clip.crop for clip in clips):
        files["crop.scp"] = [f"{name} {clip.crop}" for name, clip in named]
        files["utt2num_frames"] = [f"{name} {clip.num_frames}" for name, clip in named]
    for name, lines in files.items():
        write_lines(out / name, lines)


def _speakers(named: Named) -> dict[str, list[str]]:
    """utt2spk and spk2utt."""
    speakers: dict[str, list[str]] = {}
    for name, clip in named:
        speakers.setdefault(id_of(clip.speaker or clip.id), []).append(name)
    return {
        "utt2spk": [f"{name} {id_of(clip.speaker or clip.id)}" for name, clip in named],
        "spk2utt": [f"{speaker} {' '.join(utterances)}" for speaker, utterances in sorted(speakers.items())],
    }


def _videos(named: Named) -> dict[str, list[str]]:
    """video.scp, and segments where clips are parts of their videos."""
    if not any(clip.start or clip.end for _, clip in named):
        return {"video.scp": [f"{name} {clip.video}" for name, clip in named]}
    recordings = {clip.video: name for name, clip in reversed(named)}
    return {
        "video.scp": sorted(f"{name} {video}" for video, name in recordings.items()),
        "segments": [
            f"{name} {recordings[clip.video]} {_time(clip.start)} {_time(clip.end or -1)}" for name, clip in named
        ],
    }


def _is_plain(path: str) -> bool:
    """Whether a path can be read back unchanged from a line of a table."""
    return path == path.strip() and not path.endswith("|") and len(path.split("\n")) == 1


def _time(seconds: float) -> str:
    """At least two decimals, as Kaldi's own scripts write, and as many as the same value needs to be read back."""
    short = f"{seconds:.2f}"
    return short if float(short) == seconds else repr(float(seconds))


def utterance_id(clip: Clip) -> str:
    """``<speaker>-<id>``: the hyphen makes the order by utterance also the order by speaker."""
    prefix = f"{id_of(clip.speaker)}-"
    return clip.id if not clip.speaker or clip.id.startswith(prefix) else prefix + clip.id
