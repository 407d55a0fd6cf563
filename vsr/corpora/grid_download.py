"""Downloads GRID from its public record (Zenodo 3625687, CC BY 4.0) to a folder for `vsr prepare grid`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.corpora.zenodo import download_file, list_record, unpack

RECORD = "https://zenodo.org/api/records/3625687"
ALIGNMENTS = "alignments.zip"


def download_grid(out_dir: str | Path, speakers: Sequence[str] = (), record: str = RECORD) -> dict[str, int]:
    """Fetch speakers (all by default) into ``sN/NAME.mpg`` and ``align/sN/NAME.align``; returns clips per speaker.

    A complete speaker is not fetched again, and an archive is removed once it is unpacked.

    Raises VsrError: no_network, no_space, not_writable, bad_download; bad_corpus for an unknown speaker.
    """
    out_dir = Path(out_dir)
    files = list_record(record)
    known = sorted((name[:-4] for name in files if re.fullmatch(r"s\d+\.zip", name)), key=lambda name: int(name[1:]))
    for name in speakers:
        if name not in known:
            raise VsrError("bad_corpus", f"GRID has no video of speaker {name}; it has {', '.join(known)}")
    alignments = _alignments(files[ALIGNMENTS], out_dir)
    return {name: _speaker(files[f"{name}.zip"], name, out_dir, alignments) for name in speakers or known}


def _alignments(file, out_dir: Path) -> dict[str, set[str]]:
    """Folder of word times -> names of the files in it."""
    folder = out_dir / "archives" / "alignments"
    if not folder.is_dir():
        archive = download_file(file, out_dir / "archives")
        unpack(archive, folder.with_name("alignments.part"), (".align",))
        folder.with_name("alignments.part").rename(folder)
        archive.unlink()
    return {entry.name: {path.stem for path in entry.glob("*.align")} for entry in folder.iterdir()}


def _speaker(file, name: str, out_dir: Path, alignments: dict[str, set[str]]) -> int:
    marker = out_dir / name / ".complete"
    if not marker.is_file():
        archive = download_file(file, out_dir / "archives")
        videos = unpack(archive, out_dir, (".mpg",))
        _copy_alignments(name, {path.stem for path in videos if path.parent.name == name}, out_dir, alignments)
        marker.touch()
        archive.unlink()
    return len(list((out_dir / name).glob("*.mpg")))


def _copy_alignments(name: str, videos: set[str], out_dir: Path, alignments: dict[str, set[str]]) -> None:
    """Copy the word times that match the videos' names: some folders of the record have another speaker's name."""
    best = max(alignments, key=lambda folder: (len(alignments[folder] & videos), folder == name), default=None)
    if not videos or best is None or not alignments[best] & videos:
        raise VsrError("bad_corpus", f"the record holds no word times for the videos of {name}")
    for clip in sorted(alignments[best] & videos):
        target = out_dir / "align" / name / f"{clip}.align"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(out_dir / "archives" / "alignments" / best / f"{clip}.align", target)
