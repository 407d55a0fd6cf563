"""One format -> manifest clips -> another format."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from vsr.core.artifacts import Ledger, is_same, record_of
from vsr.core.errors import VsrError
from vsr.core.files import check_outputs, read_lines, together
from vsr.data.exchange.own_files import Made, check_made, not_ours, record_made
from vsr.data.manifest import SAFE_ID, Clip

FORMATS = ("manifest", "auto_avsr", "av_hubert", "kaldi", "lhotse")


@dataclass(frozen=True)
class Settings:
    """name: of the data set, as in ``lrs3``; subset: as in ``train``; tokens: folder of a tokenizer or a model, where
    a format holds token ids; features: folder of speech features, ``features`` beside the manifest where not given."""

    name: str = "corpus"
    subset: str = "train"
    tokens: str = ""
    features: str = ""

    def tokenizer(self, purpose: str):
        """The tokenizer. Raises VsrError that names the ``purpose`` if none is given."""
        from vsr.text.tokenizer import load_tokenizer

        if not self.tokens:
            raise VsrError("bad_options", f"{purpose}: give --tokens")
        return load_tokenizer(self.tokens)


def convert(source: str, target: str, path: str | Path, out: str | Path, settings: Settings) -> list[Clip]:
    """Read ``path`` as ``source``, write ``out`` (a folder) as ``target``; returns the clips.

    Raises VsrError: bad_manifest naming the line that cannot be read; bad_options where a tokenizer is missing. Nothing
    is written then.
    """
    for name in (source, target):
        if name not in FORMATS:
            raise VsrError("bad_options", f"unknown format '{name}'; known: {', '.join(FORMATS)}")
    lists = lists_written(target, Path(out), settings)
    check_outputs(lists, *read_with(source, Path(path)))
    _check_ours(lists, Path(out))
    clips = _module(source).read(Path(path), settings)
    speech = _module(source).prepared_speech_of(Path(path)) if (source, target) == ("av_hubert", "manifest") else None
    crops, features = _crops(target, clips, Path(out), settings), Path(settings.features or f"{out}/features")
    voices = _module("prepared_speech").files_of(speech, clips, features) if speech else []
    check_made(crops, Path(out))
    check_made(voices, features)
    with together():
        stored = _module(target).write(clips, Path(out), settings)
        if speech:
            _module("prepared_speech").store_prepared(speech, stored, features)
    record_made(voices, features)
    record_made(crops, Path(out))
    ledger = Ledger(out)
    ledger.append([record_of(_name(path, out), path, {"format": target}) for path in lists if path.is_file()])
    return clips


def _crops(target: str, clips: list[Clip], out: Path, settings: Settings) -> list[Made]:
    """(file, crop that it is made of) of every clip whose crop is written in the target's format."""
    module = _module(target)
    files = [module.crop_file(clip, out, settings) for clip in clips] if hasattr(module, "crop_file") else []
    return [(file, clip.crop) for file, clip in zip(files, clips, strict=False) if file]


def _check_ours(lists: Iterable[Path], out: Path) -> None:
    """Refuse to replace a list that convert did not write, or that changed since. Raises VsrError exists."""
    records = Ledger(out).records
    for path in lists:
        record = records.get(_name(path, out))
        if path.is_file() and path.stat().st_size and not (record and is_same(record["file"], path)):
            raise not_ours(path)


def _name(path: Path, out: str | Path) -> str:
    """The name of a list in the folder's ledger."""
    return path.relative_to(out).as_posix()


def lists_written(target: str, out: Path, settings: Settings) -> list[Path]:
    """The lists that a format writes to a folder."""
    subset = settings.subset
    names = {
        "manifest": ("manifest.jsonl",), "lhotse": ("cuts.jsonl.gz",), 
        "av_hubert": (f"{subset}.tsv", f"{subset}.wrd", *(["dict.wrd.txt"] if settings.tokens else [])),
        "kaldi": ("text", "utt2spk", "spk2utt", "video.scp", "segments", "crop.scp", "utt2num_frames"),
        "auto_avsr": (f"labels/{settings.name}_{subset}_transcript_lengths_seg16s.csv",),
    }  # fmt: skip
    return [out / name for name in names[target]]


def read_with(source: str, path: Path) -> list[Path]:
    """The lists that are read when one of them is named, or the files of a folder."""
    if path.is_dir():
        return [file for file in path.iterdir() if file.is_file()]
    return [path, path.with_suffix(".wrd")] if source == "av_hubert" else [path]


def _module(name: str):
    return import_module(f"vsr.data.exchange.{name}")


def rows(path: Path, divider: str | None, least: int) -> Iterable[tuple[int, list[str]]]:
    """(line number, columns) of a text file's non-empty lines. Raises VsrError for lines with too few columns."""
    for number, line in read_lines(path):
        columns = line.split(divider)
        if len(columns) < least:
            raise VsrError("bad_manifest", f"{path}, line {number}: {len(columns)} columns, at least {least} expected")
        yield number, columns


def frame_count(text: str, where: str) -> int:
    """A number of frames. Raises VsrError."""
    if not text.strip().isdigit():
        raise VsrError("bad_manifest", f"{where}: '{text}' is not a number of frames")
    return int(text)


def id_of(name: str) -> str:
    """A clip id for a path such as ``trainval/-abc/00001``: slashes and odd characters become underscores."""
    safe = re.sub(r"[^A-Za-z0-9_.@+-]", "_", name)
    return safe if SAFE_ID.fullmatch(safe) else f"c{safe}"


def stem_of(clip: Clip, settings: Settings) -> str:
    """FOLDER/ID of a clip's files where other toolkits keep a folder for each speaker."""
    return f"{id_of(clip.speaker or settings.subset)}/{clip.id}"


def unique(clips: list[Clip], path: Path) -> list[Clip]:
    """The clips, checked: there is one at least, and no id twice. Raises VsrError."""
    seen: set[str] = set()
    for clip in clips:
        if clip.id in seen:
            raise VsrError("bad_manifest", f"{path}: {clip.id} is there twice")
        seen.add(clip.id)
    if not clips:
        raise VsrError("bad_manifest", f"{path} holds no clips")
    return clips
