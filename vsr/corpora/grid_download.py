"""GRID from its public record (Zenodo 3625687, CC BY 4.0) -> a folder that `vsr prepare grid` reads."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.corpora.download import download, list_record, unpack

RECORD = "https://zenodo.org/api/records/3625687"
ALIGNMENTS = "alignments.zip"


def download_grid(out_dir: str | Path, speakers: Sequence[str] = (), record: str = RECORD) -> dict[str, int]:
    """Fetch speakers (all by default) into ``sN/NAME.mpg`` and ``align/sN/NAME.align``; clips of each.

    A speaker that is complete is not fetched again, and an archive is removed once it is unpacked.

    Raises VsrError: no_network, no_space, not_writable, bad_download; bad_corpus for an unknown speaker.
    """
    out_dir = Path(out_dir)
    files = list_record(record)
    known = sorted((each[:-4] for each in files if re.fullmatch(r"s\d+\.zip", each)), key=lambda each: int(each[1:]))
    for name in speakers:
        if name not in known:
            raise VsrError("bad_corpus", f"GRID has no video of speaker {name}; it has {', '.join(known)}")
    aligned = _alignments(files[ALIGNMENTS], out_dir)
    return {name: _speaker(files[f"{name}.zip"], name, out_dir, aligned) for name in speakers or known}


def _alignments(file, out_dir: Path) -> dict[str, set[str]]:
    """Every folder of word times, and the names in it."""
    folder = out_dir / "archives" / "alignments"
    if not folder.is_dir():
        archive = download(file, out_dir / "archives")
        unpack(archive, folder.with_name("alignments.part"), (".align",))
        folder.with_name("alignments.part").rename(folder)
        archive.unlink()
    return {each.name: {path.stem for path in each.glob("*.align")} for each in folder.iterdir()}


def _speaker(file, name: str, out_dir: Path, aligned: dict[str, set[str]]) -> int:
    mark = out_dir / name / ".complete"
    if not mark.is_file():
        archive = download(file, out_dir / "archives")
        videos = unpack(archive, out_dir, (".mpg",))
        _copy_alignments(name, {path.stem for path in videos if path.parent.name == name}, out_dir, aligned)
        mark.touch()
        archive.unlink()
    return len(list((out_dir / name).glob("*.mpg")))


def _copy_alignments(name: str, videos: set[str], out_dir: Path, aligned: dict[str, set[str]]) -> None:
    """The word times whose names are those of the videos: the record's folders do not all bear their speaker's name."""
    best = max(aligned, key=lambda folder: (len(aligned[folder] & videos), folder == name), default=None)
    if not videos or best is None or not aligned[best] & videos:
        raise VsrError("bad_corpus", f"the record holds no word times for the videos of {name}")
    for clip in sorted(aligned[best] & videos):
        target = out_dir / "align" / name / f"{clip}.align"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(out_dir / "archives" / "alignments" / best / f"{clip}.align", target)
